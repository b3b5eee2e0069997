(* Theorem 4.1 of Santurkar et al. (2018), from the definition of batch normalisation.

   L is any function of m numbers that is differentiable at z(y), with gradient g there; v is the
   gradient of y -> L(z(y)).  Nothing else is assumed of L. *)

From Coq Require Import Reals Lra Lia Arith.
From BNProof Require Import Tactics Sums Gradient Layer Derivative.
Local Open Scope R_scope.

Section Theorem41.

Variables (m : nat) (eps gamma beta : R) (y g v : nat -> R) (L : (nat -> R) -> R).
Hypothesis ok : defined m eps y.
Hypothesis loss : gradient m L (z m eps gamma beta y) g.
Hypothesis pulled_back : gradient m (fun w => L (z m eps gamma beta w)) y v.

Theorem square_gradient :
  dot m v v = gamma ^ 2 / s m eps y ^ 2
    * (dot m g g - sum m g ^ 2 / INR m
       - (1 + eps / s m eps y ^ 2) * dot m g (yhat m eps y) ^ 2 / INR m).
Proof.
  pose proof (size_pos m (proj1 ok)) as size. pose proof (s_pos m eps y ok) as root.
  pose proof (gradient_unique m _ y _ _ pulled_back (gradient_loss m eps y ok gamma beta L g loss))
    as same.
  rewrite (dot_ext m _ _ _ _ same same).
  set (a := sum m g / INR m). set (b := dot m g (yhat m eps y) / INR m).
  assert (expand : dot m (pulled m eps y gamma g) (pulled m eps y gamma g)
    = gamma ^ 2 / s m eps y ^ 2 * sum m (fun i => g i * g i + a ^ 2 * 1
      + b ^ 2 * (yhat m eps y i * yhat m eps y i) - 2 * a * g i
      - 2 * b * (g i * yhat m eps y i) + 2 * a * b * yhat m eps y i)).
  { rewrite <- sum_scale. apply sum_ext. intros. unfold pulled. fold a b. field. lra. }
  rewrite expand, sum_plus, 2 sum_minus, 2 sum_plus, 5 sum_scale, sum_const.
  fold (dot m g g) (dot m g (yhat m eps y)) (dot m (yhat m eps y) (yhat m eps y)).
  rewrite square_yhat, kappa_s, sum_yhat by assumption.
  unfold a, b. field. lra.
Qed.

(* The bound for the layer as every framework computes it. *)
Theorem santurkar_4_1_eps :
  0 <= eps ->
  dot m v v <= gamma ^ 2 / s m eps y ^ 2
    * (dot m g g - sum m g ^ 2 / INR m - dot m g (yhat m eps y) ^ 2 / INR m).
Proof.
  intros. pose proof (size_pos m (proj1 ok)). pose proof (s_pos m eps y ok).
  rewrite square_gradient.
  apply (of_slack _ _ (gamma ^ 2 * eps * dot m g (yhat m eps y) ^ 2 / (INR m * s m eps y ^ 4))).
  - field. lra.
  - nonneg.
Qed.

End Theorem41.

(* As printed: eps = 0, and sigma > 0. *)
Theorem santurkar_4_1 (m : nat) (gamma beta : R) (y g v : nat -> R) (L : (nat -> R) -> R) :
  (0 < m)%nat -> 0 < sigma m y ->
  gradient m L (z m 0 gamma beta y) g ->
  gradient m (fun w => L (z m 0 gamma beta w)) y v ->
  dot m v v <= gamma ^ 2 / sigma m y ^ 2
    * (dot m g g - sum m g ^ 2 / INR m - dot m g (yhat m 0 y) ^ 2 / INR m).
Proof.
  intros some varied loss pulled_back.
  pose proof (variance_pos m y varied).
  replace (sigma m y) with (s m 0 y) by (unfold s, sigma; f_equal; ring).
  eapply santurkar_4_1_eps; [split; [assumption | lra] | eassumption | eassumption | lra].
Qed.

Print Assumptions mean_yhat.
Print Assumptions square_yhat.
Print Assumptions line_yhat.
Print Assumptions gradient_yhat.
Print Assumptions santurkar_4_1_eps.
Print Assumptions santurkar_4_1.
