(* Batch normalisation of one unit, from its definition, for any batch size. *)

From Coq Require Import Reals Lra Lia Arith.
From BNProof Require Import Sums.
Local Open Scope R_scope.

Definition mean (m : nat) (y : nat -> R) : R := sum m y / INR m.

Definition centred (m : nat) (y : nat -> R) (i : nat) : R := y i - mean m y.

(* The biased variance. *)
Definition variance (m : nat) (y : nat -> R) : R := dot m (centred m y) (centred m y) / INR m.

Definition sigma (m : nat) (y : nat -> R) : R := sqrt (variance m y).

Definition s (m : nat) (eps : R) (y : nat -> R) : R := sqrt (variance m y + eps).

Definition yhat (m : nat) (eps : R) (y : nat -> R) (i : nat) : R := centred m y i / s m eps y.

Definition z (m : nat) (eps gamma beta : R) (y : nat -> R) (i : nat) : R :=
  gamma * yhat m eps y i + beta.

(* The layer of the slides, which adds eps outside the root. *)
Definition slides_yhat (m : nat) (eps : R) (y : nat -> R) (i : nat) : R :=
  centred m y i / (sigma m y + eps).

(* The layer is defined: there is a batch, and the root under the bar is not 0. *)
Definition defined (m : nat) (eps : R) (y : nat -> R) : Prop :=
  (0 < m)%nat /\ 0 < variance m y + eps.

Lemma size_pos (m : nat) : (0 < m)%nat -> 0 < INR m.
Proof. intros. now apply lt_0_INR. Qed.

Lemma size_ge_1 (m : nat) : (0 < m)%nat -> 1 <= INR m.
Proof. intros. change 1 with (INR 1). now apply le_INR. Qed.

Lemma sum_centred (m : nat) (y : nat -> R) : (0 < m)%nat -> sum m (centred m y) = 0.
Proof.
  intros. pose proof (size_pos m H). unfold centred. rewrite sum_minus, sum_const.
  unfold mean. field. lra.
Qed.

Lemma variance_nonneg (m : nat) (y : nat -> R) : (0 < m)%nat -> 0 <= variance m y.
Proof.
  intros. pose proof (size_pos m H). apply Rmult_le_pos.
  - apply dot_square_nonneg.
  - now apply Rlt_le, Rinv_0_lt_compat.
Qed.

Lemma variance_pos (m : nat) (y : nat -> R) : 0 < sigma m y -> 0 < variance m y.
Proof.
  intros positive. destruct (Rlt_or_le 0 (variance m y)) as [|none]; [assumption|].
  unfold sigma in positive. rewrite sqrt_neg_0 in positive; lra.
Qed.

Lemma sigma_square (m : nat) (y : nat -> R) : (0 < m)%nat -> sigma m y ^ 2 = variance m y.
Proof. intros. apply pow2_sqrt. now apply variance_nonneg. Qed.

Lemma s_pos (m : nat) (eps : R) (y : nat -> R) : defined m eps y -> 0 < s m eps y.
Proof. intros [_ positive]. now apply sqrt_lt_R0. Qed.

Lemma s_square (m : nat) (eps : R) (y : nat -> R) :
  defined m eps y -> s m eps y ^ 2 = variance m y + eps.
Proof. intros [_ positive]. apply pow2_sqrt. lra. Qed.

(* y = mu + s yhat. *)
Lemma recover (m : nat) (eps : R) (y : nat -> R) (i : nat) :
  defined m eps y -> y i = mean m y + s m eps y * yhat m eps y i.
Proof.
  intros ok. pose proof (s_pos m eps y ok). unfold yhat, centred. field. lra.
Qed.

Lemma sum_yhat (m : nat) (eps : R) (y : nat -> R) : defined m eps y -> sum m (yhat m eps y) = 0.
Proof.
  intros [some _].
  rewrite (sum_ext m _ (fun i => / s m eps y * centred m y i)).
  - rewrite sum_scale, sum_centred; [ring | assumption].
  - intros. unfold yhat, Rdiv. ring.
Qed.

Theorem mean_yhat (m : nat) (eps : R) (y : nat -> R) :
  defined m eps y -> mean m (yhat m eps y) = 0.
Proof. intros. unfold mean. rewrite sum_yhat; [unfold Rdiv; ring | assumption]. Qed.

Definition kappa (m : nat) (eps : R) (y : nat -> R) : R := variance m y / (variance m y + eps).

Theorem square_yhat (m : nat) (eps : R) (y : nat -> R) :
  defined m eps y -> dot m (yhat m eps y) (yhat m eps y) = INR m * kappa m eps y.
Proof.
  intros ok. destruct ok as [some positive].
  pose proof (size_pos m some). pose proof (s_pos m eps y (conj some positive)).
  pose proof (s_square m eps y (conj some positive)) as root.
  rewrite (dot_ext m _ _ (fun i => / s m eps y * centred m y i)
    (fun i => / s m eps y * centred m y i)); try (intros; unfold yhat, Rdiv; ring).
  rewrite dot_scale, dot_comm, dot_scale. unfold kappa. rewrite <- root.
  unfold variance. field. lra.
Qed.

(* kappa in the symbols of the catalogue. *)
Lemma kappa_s (m : nat) (eps : R) (y : nat -> R) :
  defined m eps y -> kappa m eps y = 1 - eps / s m eps y ^ 2.
Proof.
  intros ok. rewrite s_square by assumption. destruct ok. unfold kappa. field. lra.
Qed.

Print Assumptions square_yhat.
