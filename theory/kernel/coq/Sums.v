(* Finite sums over a batch: an array of m numbers is a function on nat, read below m. *)

From Coq Require Import Reals Lra Lia Arith.
Local Open Scope R_scope.

Fixpoint sum (m : nat) (f : nat -> R) : R :=
  match m with
  | O => 0
  | S k => sum k f + f k
  end.

Definition dot (m : nat) (a b : nat -> R) : R := sum m (fun i => a i * b i).

(* The entries of the unit array e_k, and Kronecker's delta. *)
Definition delta (k i : nat) : R := if Nat.eqb k i then 1 else 0.

Lemma sum_ext (m : nat) (f g : nat -> R) :
  (forall i, (i < m)%nat -> f i = g i) -> sum m f = sum m g.
Proof.
  induction m; intros same; simpl; [reflexivity|].
  rewrite IHm, same; auto with arith.
Qed.

Lemma sum_plus (m : nat) (f g : nat -> R) : sum m (fun i => f i + g i) = sum m f + sum m g.
Proof. induction m; simpl; [lra|]. rewrite IHm. lra. Qed.

Lemma sum_minus (m : nat) (f g : nat -> R) : sum m (fun i => f i - g i) = sum m f - sum m g.
Proof. induction m; simpl; [lra|]. rewrite IHm. lra. Qed.

Lemma sum_scale (m : nat) (c : R) (f : nat -> R) : sum m (fun i => c * f i) = c * sum m f.
Proof. induction m; simpl; [lra|]. rewrite IHm. lra. Qed.

Lemma sum_const (m : nat) (c : R) : sum m (fun _ => c) = INR m * c.
Proof. induction m; [simpl; lra|]. simpl sum. rewrite IHm, S_INR. lra. Qed.

Lemma sum_zero (m : nat) (f : nat -> R) :
  (forall i, (i < m)%nat -> f i = 0) -> sum m f = 0.
Proof.
  intros all. rewrite (sum_ext m f (fun _ => 0) all), sum_const. ring.
Qed.

Lemma sum_le (m : nat) (f g : nat -> R) :
  (forall i, (i < m)%nat -> f i <= g i) -> sum m f <= sum m g.
Proof.
  induction m; intros less; simpl; [lra|].
  apply Rplus_le_compat; [apply IHm | apply less]; auto with arith.
Qed.

Lemma sum_nonneg (m : nat) (f : nat -> R) :
  (forall i, (i < m)%nat -> 0 <= f i) -> 0 <= sum m f.
Proof.
  intros all. rewrite <- (Rmult_0_r (INR m)), <- sum_const. now apply sum_le.
Qed.

Lemma sum_abs (m : nat) (f : nat -> R) : Rabs (sum m f) <= sum m (fun i => Rabs (f i)).
Proof.
  induction m; simpl; [rewrite Rabs_R0; lra|].
  eapply Rle_trans; [apply Rabs_triang|]. lra.
Qed.

Lemma sum_term (m k : nat) (f : nat -> R) :
  (forall i, (i < m)%nat -> 0 <= f i) -> (k < m)%nat -> f k <= sum m f.
Proof.
  induction m; intros all below; [lia|]. simpl.
  assert (0 <= f m) by (apply all; lia).
  assert (0 <= sum m f) by (apply sum_nonneg; auto with arith).
  destruct (Nat.eq_dec k m) as [->|]; [lra|].
  assert (f k <= sum m f) by (apply IHm; [auto with arith | lia]). lra.
Qed.

Lemma sum_delta (m k : nat) (f : nat -> R) :
  (k < m)%nat -> sum m (fun i => delta k i * f i) = f k.
Proof.
  intros below.
  assert (general : forall n,
    sum n (fun i => delta k i * f i) = if Nat.ltb k n then f k else 0).
  { induction n; simpl sum; [reflexivity|]. rewrite IHn. unfold delta.
    destruct (Nat.ltb_spec k n), (Nat.ltb_spec k (S n)), (Nat.eqb_spec k n); subst; try lia; lra. }
  rewrite general. now destruct (Nat.ltb_spec k m); [|lia].
Qed.

Lemma dot_comm (m : nat) (a b : nat -> R) : dot m a b = dot m b a.
Proof. apply sum_ext. intros. ring. Qed.

Lemma dot_ext (m : nat) (a b c d : nat -> R) :
  (forall i, (i < m)%nat -> a i = c i) -> (forall i, (i < m)%nat -> b i = d i) ->
  dot m a b = dot m c d.
Proof. intros left right. apply sum_ext. intros. now rewrite left, right. Qed.

Lemma dot_one (m : nat) (a : nat -> R) : dot m (fun _ => 1) a = sum m a.
Proof. apply sum_ext. intros. ring. Qed.

Lemma dot_plus (m : nat) (a b c : nat -> R) :
  dot m a (fun i => b i + c i) = dot m a b + dot m a c.
Proof. unfold dot. rewrite <- sum_plus. apply sum_ext. intros. ring. Qed.

Lemma dot_minus (m : nat) (a b c : nat -> R) :
  dot m a (fun i => b i - c i) = dot m a b - dot m a c.
Proof. unfold dot. rewrite <- sum_minus. apply sum_ext. intros. ring. Qed.

Lemma dot_scale (m : nat) (a : nat -> R) (c : R) (b : nat -> R) :
  dot m a (fun i => c * b i) = c * dot m a b.
Proof. unfold dot. rewrite <- sum_scale. apply sum_ext. intros. ring. Qed.

(* <J'g, a> = <g, Ja> *)
Lemma dot_transpose (m n : nat) (g : nat -> R) (J : nat -> nat -> R) (a : nat -> R) :
  dot m (fun i => sum n (fun k => g k * J k i)) a = dot n g (fun k => dot m (J k) a).
Proof.
  induction n.
  - apply sum_zero. intros. simpl. ring.
  - unfold dot at 2. simpl. fold (dot n g (fun k => dot m (J k) a)). rewrite <- IHn.
    unfold dot. rewrite <- sum_scale, <- sum_plus. apply sum_ext. intros. simpl. ring.
Qed.

Lemma dot_delta (m k : nat) (a : nat -> R) : (k < m)%nat -> dot m a (delta k) = a k.
Proof. intros. rewrite dot_comm. now apply sum_delta. Qed.

Lemma dot_square_nonneg (m : nat) (a : nat -> R) : 0 <= dot m a a.
Proof. apply sum_nonneg. intros. apply Rle_0_sqr. Qed.

Print Assumptions sum_delta.
