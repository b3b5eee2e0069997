(* Counterexamples: a layer at a batch of numbers, and a quadratic loss, whose gradient is known. *)

From Coq Require Import Reals Lra Lia Arith List.
From BNProof Require Import Tactics Sums Gradient Layer Derivative.
Local Open Scope R_scope.

(* The array with the given entries. *)
Definition array (entries : list R) (i : nat) : R := nth i entries 0.

Definition matrix (rows : list (list R)) (i : nat) : nat -> R := array (nth i rows nil).

Definition quadratic (m : nat) (A : nat -> nat -> R) (b : nat -> R) (w : nat -> R) : R :=
  sum m (fun i => w i * dot m (A i) w) / 2 + dot m b w.

Definition quadratic_gradient (m : nat) (A : nat -> nat -> R) (b w : nat -> R) (i : nat) : R :=
  sum m (fun j => (A i j + A j i) * w j) / 2 + b i.

Theorem gradient_quadratic (m : nat) (A : nat -> nat -> R) (b w : nat -> R) :
  gradient m (quadratic m A b) w (quadratic_gradient m A b w).
Proof.
  eapply gradient_ext; [| |exact (gradient_plus _ _ _ _ _ _
    (gradient_scale m (1 / 2) _ w _ (gradient_sum m m (fun k u => u k * dot m (A k) u) w _
      (fun k below => gradient_mult m _ _ w _ _
        (gradient_entry m k w below) (gradient_linear m (A k) w))))
    (gradient_linear m b w))].
  - intros. unfold quadratic. field.
  - intros i below. unfold quadratic_gradient. simpl.
    rewrite (sum_ext m (fun k => _ + _) (fun k => w k * A k i
      + delta i k * dot m (A k) w)).
    + rewrite sum_plus, (sum_delta m i (fun k => dot m (A k) w)) by assumption.
      unfold dot. rewrite <- sum_plus.
      rewrite (sum_ext m (fun j => (A i j + A j i) * w j) (fun k => w k * A k i + A i k * w k))
        by (intros; ring).
      field.
    + intros k _. unfold delta. rewrite (Nat.eqb_sym k i). destruct (Nat.eqb i k); ring.
Qed.

(* A letter at the data: arithmetic, where [root] says what s is; or the root of arithmetic. *)
Ltac computed :=
  unfold pulled, jacobian, quadratic_gradient, z, slides_yhat, yhat;
  try match goal with root : s _ _ _ = _ |- _ => rewrite ?root end;
  unfold variance, centred, mean, minus, dot, delta, matrix, array;
  cbn [sum nth INR Nat.eqb]; lra.

Ltac valued :=
  first [ assumption | computed | apply sqrt_of_square; [lra | computed] | f_equal; computed ].

(* A root or an absolute value of a number. *)
Ltac atomic :=
  first [ apply sqrt_of_square; lra | rewrite Rabs_pos_eq; lra | rewrite Rabs_left; lra ].

(* The hypotheses of a claim, at the data. *)
Ltac discharge claim :=
  repeat match type of claim with
  | ?P -> _ => specialize (claim ltac:(first [assumption | lia | lra]))
  end.

Ltac fails claim :=
  repeat match type of claim with
  | context [sqrt ?x] =>
      let square := fresh in
      pose proof (pow2_sqrt x ltac:(lra)) as square; pose proof (sqrt_pos x);
      generalize dependent (sqrt x); intros
  end;
  first [lra | nra].

Print Assumptions gradient_quadratic.
