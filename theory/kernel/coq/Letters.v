(* The letters of the catalogue that one layer and one loss give, computed from the definition: what
   the rules of certificates say of them is proved here, for every batch size. *)

From Coq Require Import Reals Lra Lia Arith.
From BNProof Require Import Tactics Sums Gradient Layer Derivative Theorem41.
Local Open Scope R_scope.

Section Letters.

Variables (m : nat) (eps gamma beta : R) (y : nat -> R).
Hypothesis ok : defined m eps y.

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

End Letters.

(* What an exported theorem asks of its letters, where they are those of a layer. *)
Ltac layer :=
  match goal with
  | ok : defined ?m ?eps ?y |- _ =>
      pose proof (size_ge_1 m (proj1 ok));
      pose proof (s_pos m eps y ok);
      first
      [ assumption
      | apply dot_square_nonneg
      | apply sqrt_pos
      | apply s_sigma; assumption
      | rewrite square_y with (1 := ok); rational
      | rewrite norm_centred with (1 := ok); rational
      | rewrite norm_yhat with (1 := ok); rational
      | rewrite norm_gap with (1 := ok) by assumption; rational
      | rewrite std_yhat with (1 := ok); rational
      | rewrite mean_yhat with (1 := ok); rational
      | erewrite square_gradient by eassumption; rational
      | match goal with
        | has : gradient m (fun w => yhat m eps w ?k) y ?J |- ?J ?i = _ =>
            rewrite (entry_jacobian m eps y ok k i J) by assumption; rational
        end
      | unfold z, yhat, centred; rational ]
  end.

Print Assumptions entry_jacobian.
