(* Counterexamples: a layer at a batch of numbers, and a quadratic loss, whose gradient is known. *)

From Coq Require Import Reals Lra Lia Arith List.
From BNProof Require Import Tactics Sums Gradient Layer Derivative Curvature Symbols.
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

Definition quadratic_hessian (A : nat -> nat -> R) (i j : nat) : R := (A i j + A j i) / 2.

Lemma slopes_quadratic (m : nat) (A : nat -> nat -> R) (b w : nat -> R) (i : nat) :
  gradient m (fun x => quadratic_gradient m A b x i) w (quadratic_hessian A i).
Proof.
  eapply gradient_ext; [| |exact (gradient_plus _ _ _ _ _ _
    (gradient_linear m (quadratic_hessian A i) w) (gradient_const m (b i) w))].
  - intros x. unfold quadratic_gradient, dot, quadratic_hessian.
    rewrite (sum_ext m (fun j => (A i j + A j i) / 2 * x j)
      (fun j => / 2 * ((A i j + A j i) * x j))) by (intros; field).
    rewrite sum_scale. field.
  - intros. simpl. ring.
Qed.

Theorem hessian_quadratic (m : nat) (A : nat -> nat -> R) (b w : nat -> R) :
  hessian m (quadratic m A b) w (quadratic_hessian A).
Proof.
  exists (quadratic_gradient m A b). split.
  - exists 1. split; [lra|]. intros. apply gradient_quadratic.
  - intros. apply slopes_quadratic.
Qed.

(* The Hessian of a loss after the layer, from its gradient G and its Hessian H. *)
Definition layer_hessian (m : nat) (eps gamma beta : R) (y : nat -> R)
  (G : (nat -> R) -> nat -> R) (H : nat -> nat -> R) (i j : nat) : R :=
  bend m eps gamma beta y G H (delta j) i.

Theorem hessian_quadratic_layer (m : nat) (eps gamma beta : R) (y : nat -> R)
  (A : nat -> nat -> R) (b : nat -> R) :
  defined m eps y ->
  hessian m (fun w => quadratic m A b (z m eps gamma beta w)) y
    (layer_hessian m eps gamma beta y (quadratic_gradient m A b) (quadratic_hessian A)).
Proof.
  intros ok. apply (hessian_layer m eps gamma beta y ok (quadratic m A b)
    (quadratic_gradient m A b) (quadratic_hessian A)).
  - intros. apply slopes_quadratic.
  - exists 1. split; [lra|]. intros. apply gradient_quadratic.
Qed.

(* A symbol at the data: arithmetic, where [root] says what s is; or the root of arithmetic. *)
Ltac computed :=
  unfold form, project, pulled, jacobian, quadratic_hessian, quadratic_gradient, z, slides_yhat,
    yhat;
  try match goal with root : s _ _ _ = _ |- _ => rewrite ?root end;
  unfold variance, centred, mean, minus, dot, delta, matrix, array;
  cbn [sum nth INR Nat.eqb]; lra.

Ltac valued :=
  first
  [ assumption
  | match goal with second : hessian _ _ (z _ _ _ _ _) _ |- form _ (layer_hessian _ _ _ _ _ _ _) _ _ = _ =>
      erewrite form_layer by eassumption; computed
    end
  | computed
  | apply sqrt_of_square; [lra | computed]
  | f_equal; computed ].

(* A root or an absolute value of a number. *)
Ltac atomic :=
  first [ apply sqrt_of_square; lra | rewrite Rabs_pos_eq; lra | rewrite Rabs_left; lra ].

(* The hypotheses of a claim, at the data. *)
Ltac discharge claim :=
  lazymatch type of claim with
  | ?P -> _ =>
      let holds := fresh in
      assert (holds : P) by (first [assumption | lia | lra]);
      specialize (claim holds); clear holds; discharge claim
  | _ => idtac
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
