(* The symbols of the catalogue that one layer and one loss give, computed from the definition: what
   the rules of certificates say of them is proved here, for every batch size. *)

From Coq Require Import Reals Lra Lia Arith.
From BNProof Require Import Tactics Sums Gradient Layer Derivative Curvature Theorem41.
Local Open Scope R_scope.

Section Symbols.

Variables (m : nat) (eps gamma beta : R) (y : nat -> R).
Hypothesis ok : defined m eps y.

Lemma s_zero : s m 0 y = sigma m y.
Proof. unfold s, sigma. f_equal. ring. Qed.

Lemma s_sigma : s m eps y ^ 2 = eps + sigma m y ^ 2.
Proof. rewrite s_square, sigma_square by apply ok. ring. Qed.

Lemma square_y : dot m y y = INR m * (mean m y ^ 2 + sigma m y ^ 2).
Proof.
  pose proof (size_pos m (proj1 ok)) as size. rewrite sigma_square by apply ok.
  assert (centre : dot m y y = sum m (fun i => centred m y i * centred m y i
    + 2 * mean m y * centred m y i + mean m y ^ 2 * 1))
    by (apply sum_ext; intros; unfold centred; ring).
  rewrite centre, 2 sum_plus, 2 sum_scale, sum_centred, sum_const by apply ok.
  unfold variance. fold (dot m (centred m y) (centred m y)). field. lra.
Qed.

Lemma norm_centred : sqrt (dot m (centred m y) (centred m y)) = sqrt (INR m) * sigma m y.
Proof.
  pose proof (size_pos m (proj1 ok)). unfold sigma. rewrite <- sqrt_mult.
  - f_equal. unfold variance. field. lra.
  - lra.
  - apply variance_nonneg, ok.
Qed.

Lemma norm_yhat : sqrt (dot m (yhat m eps y) (yhat m eps y)) = sqrt (INR m) * sigma m y / s m eps y.
Proof.
  pose proof (size_pos m (proj1 ok)). pose proof (s_pos m eps y ok).
  rewrite square_yhat by assumption. apply sqrt_of_square.
  - unfold sigma. nonneg.
  - unfold kappa. rewrite <- s_square by assumption. rewrite <- sigma_square by apply ok.
    pose proof (pow2_sqrt (INR m) ltac:(lra)) as root.
    field [root]. lra.
Qed.

(* The distance of yhat from the layer that divides by sigma + eps. *)
Lemma norm_gap :
  0 <= eps -> 0 < sigma m y ->
  sqrt (dot m (minus (slides_yhat m eps y) (yhat m eps y))
    (minus (slides_yhat m eps y) (yhat m eps y)))
  = eps * sqrt (INR m) * sigma m y * Rabs (eps + 2 * sigma m y - 1)
    / (s m eps y * (eps + sigma m y) * (eps + s m eps y + sigma m y)).
Proof.
  intros. pose proof (size_pos m (proj1 ok)). pose proof (s_pos m eps y ok).
  apply sqrt_of_square; [nonneg|].
  set (c := 1 / (sigma m y + eps) - 1 / s m eps y).
  assert (multiple : dot m (minus (slides_yhat m eps y) (yhat m eps y))
    (minus (slides_yhat m eps y) (yhat m eps y)) = c ^ 2 * (INR m * variance m y)).
  { unfold variance. rewrite <- (Rmult_1_l (INR m)) at 1.
    replace (c ^ 2 * (1 * INR m * (dot m (centred m y) (centred m y) / INR m)))
      with (c ^ 2 * dot m (centred m y) (centred m y)) by (field; lra).
    unfold dot. rewrite <- sum_scale. apply sum_ext. intros.
    unfold minus, slides_yhat, yhat, c. field. lra. }
  rewrite multiple, <- sigma_square by apply ok. unfold c.
  pose proof (pow2_sqrt (INR m) ltac:(lra)) as root.
  pose proof (pow2_abs (eps + 2 * sigma m y - 1)) as square.
  assert (gap : s m eps y * (eps + s m eps y + sigma m y) * (1 / (sigma m y + eps) - 1 / s m eps y)
    = eps * (1 - 2 * sigma m y - eps) / (sigma m y + eps)).
  { apply Rmult_eq_reg_r with (sigma m y + eps); [|lra].
    replace (eps * (1 - 2 * sigma m y - eps) / (sigma m y + eps) * (sigma m y + eps))
      with (eps + sigma m y ^ 2 - (sigma m y + eps) ^ 2) by (field; lra).
    rewrite <- s_sigma. field. lra. }
  replace ((eps * sqrt (INR m) * sigma m y * Rabs (eps + 2 * sigma m y - 1)
    / (s m eps y * (eps + sigma m y) * (eps + s m eps y + sigma m y))) ^ 2)
    with ((eps * (1 - 2 * sigma m y - eps) / (sigma m y + eps)) ^ 2 * (INR m * sigma m y ^ 2)
      / (s m eps y * (eps + s m eps y + sigma m y)) ^ 2).
  - rewrite <- gap. field. lra.
  - field [root square]. lra.
Qed.

Lemma std_yhat : sigma m (yhat m eps y) = sigma m y / s m eps y.
Proof.
  pose proof (size_pos m (proj1 ok)). pose proof (s_pos m eps y ok).
  unfold sigma at 1. apply sqrt_of_square; [unfold sigma; nonneg|].
  assert (centre : forall i, centred m (yhat m eps y) i = yhat m eps y i)
    by (intros; unfold centred; rewrite mean_yhat by assumption; ring).
  unfold variance. rewrite (dot_ext m _ _ (yhat m eps y) (yhat m eps y)) by (intros; apply centre).
  rewrite square_yhat by assumption. unfold kappa.
  rewrite <- s_square by assumption. rewrite <- sigma_square by apply ok. field. lra.
Qed.

Lemma entry_jacobian (k i : nat) (J : nat -> R) :
  (k < m)%nat -> (i < m)%nat -> gradient m (fun w => yhat m eps w k) y J ->
  J i = (delta k i - 1 / INR m - yhat m eps y k * yhat m eps y i / INR m) / s m eps y.
Proof.
  intros row col has.
  exact (gradient_unique m _ y _ _ has (gradient_yhat m eps y ok k row) i col).
Qed.

End Symbols.

(* a'Hb for the symmetric part of H. *)
Definition symmetric (m : nat) (H : nat -> nat -> R) (a b : nat -> R) : R :=
  (form m H a b + form m H b a) / 2.

Definition one (_ : nat) : R := 1.

Section Second.

Variables (m : nat) (eps gamma beta : R) (y g v : nat -> R) (L : (nat -> R) -> R).
Hypothesis ok : defined m eps y.
Hypothesis loss : gradient m L (z m eps gamma beta y) g.
Hypothesis pulled_back : gradient m (fun w => L (z m eps gamma beta w)) y v.

Let size : 0 < INR m := size_pos m (proj1 ok).
Let root : 0 < s m eps y := s_pos m eps y ok.

(* v and Pv in the span of g, 1 and yhat. *)
Definition span (a b c : R) (i : nat) : R := a * g i + b * one i + c * yhat m eps y i.

Lemma form_span (H : nat -> nat -> R) (a b c : R) :
  form m H (span a b c) (span a b c) =
  a ^ 2 * symmetric m H g g + b ^ 2 * symmetric m H one one
  + c ^ 2 * symmetric m H (yhat m eps y) (yhat m eps y) + 2 * a * b * symmetric m H one g
  + 2 * a * c * symmetric m H (yhat m eps y) g + 2 * b * c * symmetric m H one (yhat m eps y).
Proof.
  assert (right : forall k, dot m k (span a b c)
    = a * dot m k g + b * dot m k one + c * dot m k (yhat m eps y))
    by (intros; unfold span; rewrite 2 dot_plus, 3 dot_scale; reflexivity).
  assert (left : forall k, dot m (span a b c) k
    = a * dot m g k + b * dot m one k + c * dot m (yhat m eps y) k)
    by (intros; rewrite 4 (dot_comm m _ k); apply right).
  unfold symmetric, form. rewrite left.
  rewrite 3 (dot_ext m _ (fun i => dot m (H i) (span a b c)) _ (fun i => a * dot m (H i) g
    + b * dot m (H i) one + c * dot m (H i) (yhat m eps y))) by auto.
  rewrite 6 dot_plus, 9 dot_scale. field.
Qed.

Lemma v_span (i : nat) : (i < m)%nat ->
  v i = span (gamma / s m eps y) (- gamma * sum m g / (INR m * s m eps y))
    (- gamma * dot m g (yhat m eps y) / (INR m * s m eps y)) i.
Proof.
  intros below.
  rewrite (gradient_unique m _ y _ _ pulled_back
    (gradient_loss m eps y ok gamma beta L g loss) i below).
  unfold pulled, span, one. field. lra.
Qed.

Lemma against_span (k : nat -> R) (a b c : R) :
  dot m k (span a b c) = a * dot m k g + b * sum m k + c * dot m k (yhat m eps y).
Proof.
  unfold span. rewrite 2 dot_plus, 3 dot_scale, (dot_comm m k one). unfold one at 1.
  rewrite dot_one. reflexivity.
Qed.

Lemma dot_v (k : nat -> R) : dot m k v = gamma / s m eps y * (dot m k g
  - sum m g * sum m k / INR m - dot m g (yhat m eps y) * dot m k (yhat m eps y) / INR m).
Proof.
  rewrite (dot_ext m k v k _ (fun i _ => eq_refl) v_span), against_span. field. lra.
Qed.

Lemma sum_v : sum m v = 0.
Proof.
  rewrite <- dot_one, dot_v, 2 dot_one, sum_const, sum_yhat by assumption. field. lra.
Qed.

Lemma vy_value : dot m v (yhat m eps y)
  = gamma / s m eps y * dot m g (yhat m eps y) * (eps / s m eps y ^ 2).
Proof.
  rewrite dot_comm, dot_v, square_yhat, kappa_s, sum_yhat by assumption.
  rewrite (dot_comm m (yhat m eps y) g). field. lra.
Qed.

Lemma gv_value : dot m g v = gamma / s m eps y * (dot m g g - sum m g ^ 2 / INR m
  - dot m g (yhat m eps y) ^ 2 / INR m).
Proof. rewrite dot_v. field. lra. Qed.

Lemma Pv_span (i : nat) : (i < m)%nat ->
  project m eps y v i = span (gamma / s m eps y) (- gamma * sum m g / (INR m * s m eps y))
    (- gamma * dot m g (yhat m eps y) / (INR m * s m eps y) * (1 + eps / s m eps y ^ 2)) i.
Proof.
  intros below. unfold project, mean. rewrite sum_v, (dot_comm m (yhat m eps y)), vy_value.
  rewrite v_span by assumption. unfold span, one. field. lra.
Qed.

Lemma dot_Pv (k : nat -> R) : dot m k (project m eps y v) = gamma / s m eps y * (dot m k g
  - sum m g * sum m k / INR m
  - (1 + eps / s m eps y ^ 2) * dot m g (yhat m eps y) * dot m k (yhat m eps y) / INR m).
Proof.
  rewrite (dot_ext m k _ k _ (fun i _ => eq_refl) Pv_span), against_span. field. lra.
Qed.

Lemma vHv_value (H : nat -> nat -> R) : form m H v v =
  form m H (span (gamma / s m eps y) (- gamma * sum m g / (INR m * s m eps y))
    (- gamma * dot m g (yhat m eps y) / (INR m * s m eps y)))
  (span (gamma / s m eps y) (- gamma * sum m g / (INR m * s m eps y))
    (- gamma * dot m g (yhat m eps y) / (INR m * s m eps y))).
Proof.
  apply dot_ext; [exact v_span|]. intros. apply dot_ext; [reflexivity | exact v_span].
Qed.

Lemma PvHPv_value (H : nat -> nat -> R) : form m H (project m eps y v) (project m eps y v) =
  form m H (span (gamma / s m eps y) (- gamma * sum m g / (INR m * s m eps y))
    (- gamma * dot m g (yhat m eps y) / (INR m * s m eps y) * (1 + eps / s m eps y ^ 2)))
  (span (gamma / s m eps y) (- gamma * sum m g / (INR m * s m eps y))
    (- gamma * dot m g (yhat m eps y) / (INR m * s m eps y) * (1 + eps / s m eps y ^ 2))).
Proof.
  apply dot_ext; [exact Pv_span|]. intros. apply dot_ext; [reflexivity | exact Pv_span].
Qed.

End Second.

(* The second derivative of one entry of yhat. *)
Lemma entry_hessian (m : nat) (eps : R) (y : nat -> R) (k i l : nat) (T : nat -> nat -> R) :
  defined m eps y -> (k < m)%nat -> (i < m)%nat -> (l < m)%nat ->
  hessian m (fun w => yhat m eps w k) y T ->
  T i l = - (yhat m eps y l * (delta k i - 1 / INR m - yhat m eps y k * yhat m eps y i / INR m)
    + yhat m eps y i * (delta k l - 1 / INR m - yhat m eps y k * yhat m eps y l / INR m)
    + yhat m eps y k * (delta i l - 1 / INR m - yhat m eps y i * yhat m eps y l / INR m))
    / (INR m * s m eps y ^ 2).
Proof.
  intros ok row col col' second.
  pose proof (size_pos m (proj1 ok)) as size. pose proof (s_pos m eps y ok) as root.
  rewrite <- (dot_delta m l (T i) col').
  assert (whole : hessian m (fun w => (fun x => x k) (z m eps 1 0 w)) y T).
  { destruct second as [G [[d [? near]] slopes]]. exists G. split; [|exact slopes].
    exists d. split; [assumption|]. intros w close.
    apply (gradient_ext m (fun w => yhat m eps w k) _ w (G w)); auto. intros. unfold z. ring. }
  rewrite (hessian_along m eps 1 0 y ok (fun x => x k) (fun _ => delta k) (fun _ _ => 0)
    ltac:(intros j ?; exact (gradient_const m (delta k j) _))
    ltac:(exists 1; split; [lra | intros x ?; exact (gradient_entry m k x row)]) T i (delta l) whole col).
  assert (none : forall a, dot m (fun _ => 0) a = 0) by (intros; apply sum_zero; intros; ring).
  assert (total : forall j, (j < m)%nat -> sum m (delta j) = 1).
  { intros j below. rewrite (sum_ext m _ (fun i => delta j i * one i)) by (intros; unfold one; ring).
    now apply (sum_delta m j one). }
  unfold bend. rewrite (sum_zero m (fun j => _ * _)) by (intros; rewrite none; ring).
  rewrite (dot_ext m (fun j => _ * _) (yhat m eps y) (fun _ => 0) (yhat m eps y))
    by (intros; rewrite ?none; ring).
  rewrite !none, (dot_comm m (delta k)), (dot_comm m (delta k) (yhat m eps y)).
  rewrite !dot_delta by assumption.
  rewrite total by assumption. unfold project, mean.
  rewrite total, dot_delta by assumption.
  unfold delta. rewrite (Nat.eqb_sym l k), (Nat.eqb_sym l i). field. lra.
Qed.

(* What an exported theorem asks of its symbols, where they are those of a layer. *)
Ltac layer :=
  repeat match goal with zero : ?e = 0 |- _ => is_var e; subst e end;
  match goal with
  | ok : defined ?m ?eps ?y |- _ =>
      pose proof (size_ge_1 m (proj1 ok));
      pose proof (s_pos m eps y ok);
      first
      [ assumption
      | solve [ring]
      | apply dot_square_nonneg
      | apply sqrt_pos
      | apply s_sigma; assumption
      | rewrite square_y with (1 := ok); rational
      | rewrite norm_centred with (1 := ok); rational
      | rewrite norm_yhat with (1 := ok); rational
      | rewrite norm_gap with (1 := ok) by assumption; rational
      | rewrite std_yhat with (1 := ok); rational
      | rewrite mean_yhat with (1 := ok); rational
      | match goal with
        | has : gradient m (fun w => yhat m eps w ?k) y ?J |- ?J ?i = _ =>
            rewrite (entry_jacobian m eps y ok k i J) by assumption; rational
        | has : hessian m (fun w => yhat m eps w ?k) y ?T |- ?T ?i ?l = _ =>
            rewrite (entry_hessian m eps y k i l T) by assumption; rational
        | loss : gradient m ?L (z m eps ?gamma ?beta y) ?g,
          back : gradient m (fun w => ?L (z m eps ?gamma ?beta w)) y ?v |- _ =>
            expand m eps gamma beta y g v L ok loss back
        end
      | unfold z, yhat, centred; rational ]
  end
with expand m eps gamma beta y g v L ok loss back :=
  try match goal with
  | second : hessian m L (z m eps gamma beta y) ?H, third : hessian m _ y ?K |- form m ?K _ _ = _ =>
      rewrite (form_layer m eps gamma beta y L g H K v ok loss second third)
  end;
  rewrite ?(PvHPv_value m eps gamma beta y g v L ok loss back);
  rewrite ?(vHv_value m eps gamma beta y g v L ok loss back);
  rewrite ?(form_span m eps y g);
  rewrite ?(dot_Pv m eps gamma beta y g v L ok loss back);
  rewrite ?(dot_comm m v g), ?(sum_v m eps gamma beta y g v L ok loss back);
  rewrite ?(gv_value m eps gamma beta y g v L ok loss back);
  rewrite ?(vy_value m eps gamma beta y g v L ok loss back);
  rewrite ?(square_gradient m eps gamma beta y g v L ok loss back);
  rewrite ?s_zero in *; rational.

Print Assumptions entry_jacobian.
Print Assumptions entry_hessian.
