(* The derivatives of the layer, and of a loss after it. *)

From Coq Require Import Reals Lra Lia Arith.
From BNProof Require Import Sums Gradient Layer.
Local Open Scope R_scope.

Section Derivative.

Variables (m : nat) (eps : R) (y : nat -> R).
Hypothesis ok : defined m eps y.

Let some : (0 < m)%nat := proj1 ok.
Let size : 0 < INR m := size_pos m some.
Let root : 0 < s m eps y := s_pos m eps y ok.

Lemma gradient_mean : gradient m (mean m) y (fun _ => 1 / INR m).
Proof.
  eapply gradient_ext; [| |exact (gradient_linear m (fun _ => 1 / INR m) y)].
  - intros w. unfold dot. rewrite sum_scale. unfold mean. field. lra.
  - reflexivity.
Qed.

Lemma gradient_centred (k : nat) :
  (k < m)%nat -> gradient m (fun w => centred m w k) y (fun i => delta k i - 1 / INR m).
Proof.
  intros below.
  eapply gradient_ext; [| |exact (gradient_plus _ _ _ _ _ _ (gradient_entry m k y below)
    (gradient_scale _ (-1) _ _ _ gradient_mean))].
  - intros. unfold centred. ring.
  - intros. simpl. ring.
Qed.

Lemma gradient_variance : gradient m (variance m) y (fun i => 2 * centred m y i / INR m).
Proof.
  eapply gradient_ext; [| |exact (gradient_scale m (1 / INR m) _ y _ (gradient_sum m m
    (fun k w => centred m w k * centred m w k) y _ (fun k below =>
      gradient_mult m _ _ y _ _ (gradient_centred k below) (gradient_centred k below))))].
  - intros w. unfold variance, dot. field. lra.
  - intros i below. simpl.
    rewrite (sum_ext m _ (fun k => 2 * (delta i k * centred m y k) - 2 / INR m * centred m y k)).
    + rewrite sum_minus, 2 sum_scale, sum_centred, sum_delta by assumption. field. lra.
    + intros k _. unfold delta. rewrite (Nat.eqb_sym k i). destruct (Nat.eqb i k); field; lra.
Qed.

Lemma gradient_s : gradient m (s m eps) y (fun i => yhat m eps y i / INR m).
Proof.
  eapply gradient_ext; [| |exact (gradient_after m sqrt _ y _ _
    (derivable_pt_lim_sqrt _ (proj2 ok))
    (gradient_plus _ _ _ _ _ _ gradient_variance (gradient_const m eps y)))].
  - reflexivity.
  - intros i _. simpl. unfold yhat. fold (s m eps y). field. lra.
Qed.

Definition jacobian (k i : nat) : R :=
  (delta k i - 1 / INR m - yhat m eps y k * yhat m eps y i / INR m) / s m eps y.

Theorem gradient_yhat (k : nat) :
  (k < m)%nat -> gradient m (fun w => yhat m eps w k) y (jacobian k).
Proof.
  intros below.
  pose proof (gradient_after m Rinv _ y _ _ (slope_inv _ root) gradient_s) as under.
  eapply gradient_ext; [| |exact (gradient_mult m _ _ y _ _ (gradient_centred k below) under)].
  - reflexivity.
  - intros i _. unfold jacobian. simpl. unfold yhat. field. lra.
Qed.

(* The derivative of yhat_k along the line y + t h. *)
Theorem line_yhat (h : nat -> R) (k : nat) :
  (k < m)%nat ->
  derivable_pt_lim (fun t => yhat m eps (fun i => y i + t * h i) k) 0
    ((h k - mean m h - yhat m eps y k * dot m (yhat m eps y) h / INR m) / s m eps y).
Proof.
  intros below.
  replace ((h k - mean m h - yhat m eps y k * dot m (yhat m eps y) h / INR m) / s m eps y)
    with (dot m (jacobian k) h).
  - apply (along_line m (fun w => yhat m eps w k)). now apply gradient_yhat.
  - unfold dot at 1. rewrite (sum_ext m _ (fun i => / s m eps y * (delta k i * h i)
      - / s m eps y / INR m * h i
      - / s m eps y / INR m * yhat m eps y k * (yhat m eps y i * h i))).
    + rewrite 2 sum_minus, 3 sum_scale, sum_delta by assumption.
      fold (dot m (yhat m eps y) h). unfold mean. field. lra.
    + intros. unfold jacobian. field. lra.
Qed.

Variables (gamma beta : R) (L : (nat -> R) -> R) (g : nat -> R).
Hypothesis loss : gradient m L (z m eps gamma beta y) g.

(* The gradient at y: (gamma/s) P g with P = I - 11'/m - yhat yhat'/m. *)
Definition pulled (i : nat) : R :=
  gamma / s m eps y
  * (g i - sum m g / INR m - dot m g (yhat m eps y) / INR m * yhat m eps y i).

Theorem gradient_loss : gradient m (fun w => L (z m eps gamma beta w)) y pulled.
Proof.
  eapply gradient_ext; [| |exact (chain m m L (fun k w => z m eps gamma beta w k) y g _ loss
    (fun k below => gradient_plus _ _ _ _ _ _
      (gradient_scale _ gamma _ _ _ (gradient_yhat k below)) (gradient_const m beta y)))].
  - reflexivity.
  - intros i below. simpl.
    rewrite (sum_ext m _ (fun k => gamma / s m eps y * (delta i k * g k)
      - gamma / s m eps y / INR m * g k
      - gamma / s m eps y / INR m * yhat m eps y i * (g k * yhat m eps y k))).
    + rewrite 2 sum_minus, 3 sum_scale, sum_delta by assumption.
      fold (dot m g (yhat m eps y)). unfold pulled. field. lra.
    + intros k _. unfold jacobian, delta. rewrite (Nat.eqb_sym k i). field. lra.
Qed.

(* The gradient with respect to yhat. *)
Theorem gradient_scaled :
  gradient m (fun u => L (fun i => gamma * u i + beta)) (yhat m eps y) (fun i => gamma * g i).
Proof.
  eapply gradient_ext; [| |exact (chain m m L (fun k u => gamma * u k + beta) (yhat m eps y) g _
    loss (fun k below => gradient_plus _ _ _ _ _ _
      (gradient_scale _ gamma _ _ _ (gradient_entry m k (yhat m eps y) below))
      (gradient_const m beta (yhat m eps y))))].
  - reflexivity.
  - intros i below. simpl.
    rewrite (sum_ext m _ (fun k => gamma * (delta i k * g k))).
    + rewrite sum_scale, sum_delta by assumption. reflexivity.
    + intros k _. unfold delta. rewrite (Nat.eqb_sym k i). ring.
Qed.

End Derivative.

Print Assumptions gradient_loss.
