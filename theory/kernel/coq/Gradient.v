(* The gradient of a function of m numbers, in the sense of Frechet, and the chain rule. *)

From Coq Require Import Reals Lra Lia Arith.
From BNProof Require Import Sums.
Local Open Scope R_scope.

Definition minus (a b : nat -> R) (i : nat) : R := a i - b i.

(* The sum of absolute values: all norms of m numbers are equivalent. *)
Definition norm (m : nat) (a : nat -> R) : R := sum m (fun i => Rabs (a i)).

(* r(w) is small of first order as w goes to y. *)
Definition small (m : nat) (y : nat -> R) (r : (nat -> R) -> R) : Prop :=
  forall e, 0 < e -> exists d, 0 < d /\
  forall w, norm m (minus w y) < d -> Rabs (r w) <= e * norm m (minus w y).

(* g is the gradient of F at y: F(w) = F(y) + <g, w - y> up to what is small of first order. *)
Definition gradient (m : nat) (F : (nat -> R) -> R) (y g : nat -> R) : Prop :=
  small m y (fun w => F w - F y - dot m g (minus w y)).

Lemma norm_nonneg (m : nat) (a : nat -> R) : 0 <= norm m a.
Proof. apply sum_nonneg. intros. apply Rabs_pos. Qed.

Lemma entry_le_norm (m k : nat) (a : nat -> R) : (k < m)%nat -> Rabs (a k) <= norm m a.
Proof. intros. apply (sum_term m k (fun i => Rabs (a i))); [intros; apply Rabs_pos | assumption]. Qed.

Lemma dot_le_norm (m : nat) (g a : nat -> R) : Rabs (dot m g a) <= norm m g * norm m a.
Proof.
  eapply Rle_trans; [apply sum_abs|].
  unfold norm at 2. rewrite <- sum_scale. apply sum_le. intros i below. rewrite Rabs_mult.
  apply Rmult_le_compat_r; [apply Rabs_pos | now apply entry_le_norm].
Qed.

Lemma small_ext (m : nat) (y : nat -> R) (r q : (nat -> R) -> R) :
  (forall w, r w = q w) -> small m y r -> small m y q.
Proof.
  intros same all e positive. destruct (all e positive) as [d [? within]].
  exists d. split; [assumption|]. intros. rewrite <- same. auto.
Qed.

Lemma small_zero (m : nat) (y : nat -> R) : small m y (fun _ => 0).
Proof.
  intros e positive. exists 1. split; [lra|]. intros. rewrite Rabs_R0.
  apply Rmult_le_pos; [lra | apply norm_nonneg].
Qed.

Lemma small_plus (m : nat) (y : nat -> R) (r q : (nat -> R) -> R) :
  small m y r -> small m y q -> small m y (fun w => r w + q w).
Proof.
  intros small_r small_q e positive.
  destruct (small_r (e / 2)) as [d [? within_r]]; [lra|].
  destruct (small_q (e / 2)) as [d' [? within_q]]; [lra|].
  exists (Rmin d d'). split; [now apply Rmin_pos|]. intros w near.
  assert (Rabs (r w) <= e / 2 * norm m (minus w y))
    by (apply within_r; eapply Rlt_le_trans; [exact near | apply Rmin_l]).
  assert (Rabs (q w) <= e / 2 * norm m (minus w y))
    by (apply within_q; eapply Rlt_le_trans; [exact near | apply Rmin_r]).
  eapply Rle_trans; [apply Rabs_triang|]. lra.
Qed.

Lemma small_scale (m : nat) (y : nat -> R) (c : R) (r : (nat -> R) -> R) :
  small m y r -> small m y (fun w => c * r w).
Proof.
  intros all e positive. pose proof (Rabs_pos c).
  destruct (all (e / (Rabs c + 1))) as [d [? within]].
  { apply Rdiv_lt_0_compat; lra. }
  exists d. split; [assumption|]. intros w near. rewrite Rabs_mult.
  eapply Rle_trans; [apply Rmult_le_compat_l; [lra | apply within, near]|].
  pose proof (norm_nonneg m (minus w y)).
  replace (Rabs c * (e / (Rabs c + 1) * norm m (minus w y)))
    with (Rabs c / (Rabs c + 1) * (e * norm m (minus w y))) by (field; lra).
  rewrite <- (Rmult_1_l (e * norm m (minus w y))) at 2.
  apply Rmult_le_compat_r; [apply Rmult_le_pos; lra|].
  apply Rmult_le_reg_r with (Rabs c + 1); [lra|].
  replace (Rabs c / (Rabs c + 1) * (Rabs c + 1)) with (Rabs c) by (field; lra). lra.
Qed.

Lemma small_sum (m n : nat) (y : nat -> R) (r : nat -> (nat -> R) -> R) :
  (forall k, (k < n)%nat -> small m y (r k)) -> small m y (fun w => sum n (fun k => r k w)).
Proof.
  induction n; intros all; simpl; [apply small_zero|].
  apply small_plus; [apply IHn | apply all]; auto with arith.
Qed.

(* Near y a function that has a gradient moves at most in proportion. *)
Lemma gradient_lipschitz (m : nat) (F : (nat -> R) -> R) (y g : nat -> R) :
  gradient m F y g -> exists c d, 0 < c /\ 0 < d /\
  forall w, norm m (minus w y) < d -> Rabs (F w - F y) <= c * norm m (minus w y).
Proof.
  intros has. destruct (has 1) as [d [? within]]; [lra|].
  exists (norm m g + 1), d. pose proof (norm_nonneg m g). split; [lra|]. split; [assumption|].
  intros w near. pose proof (within w near). pose proof (dot_le_norm m g (minus w y)).
  replace (F w - F y) with (F w - F y - dot m g (minus w y) + dot m g (minus w y)) by lra.
  eapply Rle_trans; [apply Rabs_triang|]. lra.
Qed.

Lemma all_lipschitz (m n : nat) (F : nat -> (nat -> R) -> R) (y : nat -> R) (J : nat -> nat -> R) :
  (forall k, (k < n)%nat -> gradient m (F k) y (J k)) -> exists c d, 0 < c /\ 0 < d /\
  forall w, norm m (minus w y) < d ->
    norm n (fun k => F k w - F k y) <= c * norm m (minus w y).
Proof.
  induction n; intros all.
  - exists 1, 1. split; [lra|]. split; [lra|]. intros. unfold norm at 1. simpl.
    rewrite Rmult_1_l. apply norm_nonneg.
  - destruct IHn as [c [d [? [? within]]]]; [auto with arith|].
    destruct (gradient_lipschitz m (F n) y (J n)) as [c' [d' [? [? within']]]]; [auto with arith|].
    exists (c + c'), (Rmin d d'). split; [lra|]. split; [now apply Rmin_pos|]. intros w near.
    assert (norm m (minus w y) < d) by (eapply Rlt_le_trans; [exact near | apply Rmin_l]).
    assert (norm m (minus w y) < d') by (eapply Rlt_le_trans; [exact near | apply Rmin_r]).
    unfold norm at 1. simpl. fold (norm n (fun k => F k w - F k y)).
    rewrite Rmult_plus_distr_r. apply Rplus_le_compat; auto.
Qed.

(* The chain rule: L after n functions F_k of m numbers. *)
Theorem chain (m n : nat) (L : (nat -> R) -> R) (F : nat -> (nat -> R) -> R)
  (y g : nat -> R) (J : nat -> nat -> R) :
  gradient n L (fun k => F k y) g -> (forall k, (k < n)%nat -> gradient m (F k) y (J k)) ->
  gradient m (fun w => L (fun k => F k w)) y (fun i => sum n (fun k => g k * J k i)).
Proof.
  intros outer inner.
  apply small_ext with (fun w =>
    (L (fun k => F k w) - L (fun k => F k y) - dot n g (minus (fun k => F k w) (fun k => F k y)))
    + sum n (fun k => g k * (F k w - F k y - dot m (J k) (minus w y)))).
  - intros w.
    rewrite dot_transpose.
    replace (sum n (fun k => g k * (F k w - F k y - dot m (J k) (minus w y)))) with
      (dot n g (minus (fun k => F k w) (fun k => F k y))
       - dot n g (fun k => dot m (J k) (minus w y))); [ring|].
    rewrite <- dot_minus. apply sum_ext. intros. unfold minus at 1. ring.
  - apply small_plus.
    + intros e positive. destruct (all_lipschitz m n F y J inner) as [c [d [? [? slope]]]].
      destruct (outer (e / c)) as [d' [? within]]; [now apply Rdiv_lt_0_compat|].
      exists (Rmin d (d' / c)). split; [apply Rmin_pos; [|apply Rdiv_lt_0_compat]; assumption|].
      intros w near.
      assert (norm m (minus w y) < d) by (eapply Rlt_le_trans; [exact near | apply Rmin_l]).
      assert (norm m (minus w y) < d' / c) by (eapply Rlt_le_trans; [exact near | apply Rmin_r]).
      assert (moved : norm n (minus (fun k => F k w) (fun k => F k y)) <= c * norm m (minus w y))
        by (apply slope; assumption).
      eapply Rle_trans; [apply within|].
      * eapply Rle_lt_trans; [exact moved|].
        replace d' with (c * (d' / c)) by (field; lra). now apply Rmult_lt_compat_l.
      * replace (e * norm m (minus w y)) with (e / c * (c * norm m (minus w y))) by (field; lra).
        apply Rmult_le_compat_l; [apply Rlt_le, Rdiv_lt_0_compat|]; assumption.
    + apply small_sum. intros. apply small_scale, inner. assumption.
Qed.

Lemma gradient_ext (m : nat) (F G : (nat -> R) -> R) (y g h : nat -> R) :
  (forall w, F w = G w) -> (forall i, (i < m)%nat -> g i = h i) ->
  gradient m F y g -> gradient m G y h.
Proof.
  intros same alike. apply small_ext. intros w. rewrite 2 same.
  rewrite (dot_ext m g (minus w y) h (minus w y)); auto.
Qed.

Lemma gradient_linear (m : nat) (c : nat -> R) (y : nat -> R) : gradient m (dot m c) y c.
Proof.
  apply small_ext with (fun _ => 0); [|apply small_zero].
  intros w. unfold minus. rewrite dot_minus. ring.
Qed.

Lemma gradient_entry (m k : nat) (y : nat -> R) :
  (k < m)%nat -> gradient m (fun w => w k) y (delta k).
Proof.
  intros below. apply small_ext with (fun _ => 0); [|apply small_zero].
  intros w. rewrite dot_comm, dot_delta; [unfold minus; ring | assumption].
Qed.

Lemma gradient_const (m : nat) (c : R) (y : nat -> R) : gradient m (fun _ => c) y (fun _ => 0).
Proof.
  apply small_ext with (fun _ => 0); [|apply small_zero].
  intros w. replace (dot m (fun _ => 0) (minus w y)) with 0; [ring|].
  symmetry. apply sum_zero. intros. ring.
Qed.

Lemma gradient_plus (m : nat) (F G : (nat -> R) -> R) (y g h : nat -> R) :
  gradient m F y g -> gradient m G y h ->
  gradient m (fun w => F w + G w) y (fun i => g i + h i).
Proof.
  intros first second. unfold gradient in *.
  eapply small_ext; [|exact (small_plus _ _ _ _ first second)].
  intros w. simpl. rewrite (dot_comm m (fun i => g i + h i)), dot_plus.
  rewrite 2 (dot_comm m (minus w y)). ring.
Qed.

Lemma gradient_scale (m : nat) (c : R) (F : (nat -> R) -> R) (y g : nat -> R) :
  gradient m F y g -> gradient m (fun w => c * F w) y (fun i => c * g i).
Proof.
  intros has. unfold gradient in *.
  eapply small_ext; [|exact (small_scale _ _ c _ has)].
  intros w. simpl. rewrite (dot_comm m (fun i => c * g i)), dot_scale.
  rewrite (dot_comm m (minus w y)). ring.
Qed.

Lemma gradient_sum (m n : nat) (F : nat -> (nat -> R) -> R) (y : nat -> R) (J : nat -> nat -> R) :
  (forall k, (k < n)%nat -> gradient m (F k) y (J k)) ->
  gradient m (fun w => sum n (fun k => F k w)) y (fun i => sum n (fun k => J k i)).
Proof.
  induction n; intros all; simpl; [apply gradient_const|].
  apply gradient_plus; [apply IHn | apply all]; auto with arith.
Qed.

(* A function of one number after a function of m numbers. *)
Lemma gradient_after (m : nat) (f : R -> R) (F : (nat -> R) -> R) (y g : nat -> R) (slope : R) :
  derivable_pt_lim f (F y) slope -> gradient m F y g ->
  gradient m (fun w => f (F w)) y (fun i => slope * g i).
Proof.
  intros outer inner.
  apply gradient_ext with (F := fun w => f ((fun _ : nat => F w) 0%nat))
    (g := fun i => sum 1 (fun k => (fun _ => slope) k * g i)); [reflexivity | simpl; intros; ring |].
  apply (chain m 1 (fun z => f (z 0%nat)) (fun _ => F) y (fun _ => slope) (fun _ => g)).
  - intros e positive. destruct (outer e positive) as [d within].
    exists d. split; [apply cond_pos|]. intros w near.
    unfold norm, dot, minus in *. simpl in *. rewrite Rplus_0_l in near. rewrite !Rplus_0_l.
    destruct (Req_dec (w 0%nat) (F y)) as [->|moved].
    + replace (f (F y) - f (F y) - slope * (F y - F y)) with 0 by ring.
      rewrite Rabs_R0. apply Rmult_le_pos; [lra | apply Rabs_pos].
    + assert (step : w 0%nat - F y <> 0) by lra.
      pose proof (within (w 0%nat - F y) step near) as close.
      replace (F y + (w 0%nat - F y)) with (w 0%nat) in close by ring.
      replace (f (w 0%nat) - f (F y) - slope * (w 0%nat - F y)) with
        (((f (w 0%nat) - f (F y)) / (w 0%nat - F y) - slope) * (w 0%nat - F y)) by (field; lra).
      rewrite Rabs_mult. apply Rmult_le_compat_r; [apply Rabs_pos | lra].
  - intros. assumption.
Qed.

Lemma slope_inv (x : R) : 0 < x -> derivable_pt_lim Rinv x (- / x ^ 2).
Proof.
  intros positive.
  replace (- / x ^ 2) with ((0 * x - 1 * 1) / Rsqr x) by (unfold Rsqr; field; lra).
  apply (derivable_pt_lim_ext (fct_cte 1 / id)%F).
  - intros. unfold fct_cte, id, div_fct, Rdiv. ring.
  - apply derivable_pt_lim_div; [apply derivable_pt_lim_const | apply derivable_pt_lim_id |].
    unfold id. lra.
Qed.

Lemma gradient_mult (m : nat) (F G : (nat -> R) -> R) (y g h : nat -> R) :
  gradient m F y g -> gradient m G y h ->
  gradient m (fun w => F w * G w) y (fun i => F y * h i + G y * g i).
Proof.
  intros first second.
  assert (square : forall H k, gradient m H y k ->
    gradient m (fun w => Rsqr (H w)) y (fun i => 2 * H y * k i)).
  { intros H k has. apply (gradient_after m Rsqr H y k); [apply derivable_pt_lim_Rsqr | exact has]. }
  (* 4 F G = (F + G)^2 - (F - G)^2 *)
  pose proof (square _ _ (gradient_plus _ _ _ _ _ _ first second)) as plus.
  pose proof (square _ _ (gradient_plus _ _ _ _ _ _ first
    (gradient_scale _ (-1) _ _ _ second))) as less.
  pose proof (gradient_scale _ (1 / 4) _ _ _
    (gradient_plus _ _ _ _ _ _ plus (gradient_scale _ (-1) _ _ _ less))) as both.
  eapply gradient_ext; [| |exact both]; intros; unfold Rsqr; simpl; field.
Qed.

(* Along a line the derivative is <g, h>. *)
Theorem along_line (m : nat) (F : (nat -> R) -> R) (y g h : nat -> R) :
  gradient m F y g ->
  derivable_pt_lim (fun t => F (fun i => y i + t * h i)) 0 (dot m g h).
Proof.
  intros has e positive. pose proof (norm_nonneg m h).
  assert (path : forall t, norm m (minus (fun i => y i + t * h i) y) = Rabs t * norm m h).
  { intros t. unfold norm. rewrite <- sum_scale. apply sum_ext. intros. unfold minus.
    rewrite <- Rabs_mult. f_equal. ring. }
  assert (inner : forall t, dot m g (minus (fun i => y i + t * h i) y) = t * dot m g h).
  { intros t. rewrite <- dot_scale. apply dot_ext; [reflexivity|]. intros. unfold minus. ring. }
  destruct (has (e / (norm m h + 1) / 2)) as [d [? within]].
  { repeat apply Rdiv_lt_0_compat; lra. }
  assert (start : F (fun i => y i + 0 * h i) = F y).
  { pose proof (within (fun i => y i + 0 * h i)) as same.
    rewrite path, inner, Rabs_R0, Rmult_0_l, Rmult_0_r in same.
    pose proof (same ltac:(assumption)) as none.
    pose proof (Rabs_pos (F (fun i => y i + 0 * h i) - F y - 0 * dot m g h)).
    destruct (Req_dec (F (fun i => y i + 0 * h i) - F y - 0 * dot m g h) 0) as [|apart]; [lra|].
    apply Rabs_pos_lt in apart. lra. }
  assert (step : 0 < d / (norm m h + 1)) by (apply Rdiv_lt_0_compat; lra).
  exists (mkposreal _ step). simpl. intros t moved near. rewrite start, Rplus_0_l.
  assert (0 < Rabs t) by now apply Rabs_pos_lt.
  assert (close : Rabs t * norm m h < d).
  { apply Rle_lt_trans with (Rabs t * (norm m h + 1)); [apply Rmult_le_compat_l; lra|].
    replace d with (d / (norm m h + 1) * (norm m h + 1)) by (field; lra).
    apply Rmult_lt_compat_r; lra. }
  pose proof (within (fun i => y i + t * h i)) as bound. rewrite path, inner in bound.
  specialize (bound close).
  replace ((F (fun i => y i + t * h i) - F y) / t - dot m g h) with
    ((F (fun i => y i + t * h i) - F y - t * dot m g h) / t) by (field; assumption).
  unfold Rdiv at 1. rewrite Rabs_mult, Rabs_inv.
  apply Rmult_lt_reg_r with (Rabs t); [assumption|].
  rewrite Rmult_assoc, Rinv_l, Rmult_1_r; [|lra].
  eapply Rle_lt_trans; [exact bound|].
  replace (e / (norm m h + 1) / 2 * (Rabs t * norm m h)) with
    (norm m h / (norm m h + 1) * (Rabs t * (e / 2))) by (field; lra).
  apply Rle_lt_trans with (1 * (Rabs t * (e / 2))).
  - apply Rmult_le_compat_r; [apply Rmult_le_pos; lra|].
    apply Rmult_le_reg_r with (norm m h + 1); [lra|].
    replace (norm m h / (norm m h + 1) * (norm m h + 1)) with (norm m h) by (field; lra). lra.
  - replace (e * Rabs t) with (1 * (Rabs t * (e / 2)) + Rabs t * (e / 2)) by field.
    assert (0 < Rabs t * (e / 2)) by (apply Rmult_lt_0_compat; lra). lra.
Qed.


(* There is at most one gradient. *)
Theorem gradient_unique (m : nat) (F : (nat -> R) -> R) (y g h : nat -> R) :
  gradient m F y g -> gradient m F y h -> forall i, (i < m)%nat -> g i = h i.
Proof.
  intros first second i below.
  rewrite <- (dot_delta m i g below), <- (dot_delta m i h below).
  apply (uniqueness_limite (fun t => F (fun k => y k + t * delta i k)) 0); now apply along_line.
Qed.

Print Assumptions chain.
