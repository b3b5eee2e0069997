(* What the exported theorems are proved with: signs of expressions, read off their structure.

   The leaves are decided by [lra] and, last, by [nra]; a tactic that fails proves nothing, so that
   nothing here needs to be trusted. *)

From Coq Require Import Reals Lra Psatz Arith.
Local Open Scope R_scope.

Lemma of_slack (left right slack : R) : right - left = slack -> 0 <= slack -> left <= right.
Proof. lra. Qed.

Lemma even_power (x : R) (n : nat) : Nat.even n = true -> 0 <= x ^ n.
Proof.
  intros even. apply Nat.even_spec in even. destruct even as [k ->].
  rewrite pow_mult. apply pow_le, pow2_ge_0.
Qed.

Lemma nonzero_of_pos (x : R) : 0 < x -> x <> 0.
Proof. lra. Qed.

Lemma nonzero_of_neg (x : R) : 0 < - x -> x <> 0.
Proof. lra. Qed.

Lemma positive_square (x : R) : x <> 0 -> 0 < x ^ 2.
Proof. intros. rewrite <- Rsqr_pow2. now apply Rsqr_pos_lt. Qed.

Lemma nonzero_equal (x y : R) : x = y -> y <> 0 -> x <> 0.
Proof. congruence. Qed.

Lemma pos_equal (x y : R) : x = y -> 0 < y -> 0 < x.
Proof. congruence. Qed.

Lemma nonneg_equal (x y : R) : x = y -> 0 <= y -> 0 <= x.
Proof. congruence. Qed.

(* s is the square root of sigma^2 + eps: where eps = 0 it is sigma. *)
Lemma s_is_sigma (s sigma eps : R) :
  0 < s -> 0 < sigma -> s ^ 2 = sigma ^ 2 + eps -> eps = 0 -> s = sigma.
Proof. intros. apply Rsqr_inj; try lra. rewrite 2 Rsqr_pow2. lra. Qed.

Lemma sqrt_of_square (s x : R) : 0 <= s -> s ^ 2 = x -> sqrt x = s.
Proof. intros ? <-. now apply sqrt_pow2. Qed.

Ltac pos :=
  match goal with
  | |- 0 < _ => assumption
  | |- 0 < PI => exact PI_RGT_0
  | |- 0 < exp _ => apply exp_pos
  | |- 0 < ?a * ?b => solve [apply Rmult_lt_0_compat; pos]
  | |- 0 < ?a / ?b => solve [apply Rdiv_lt_0_compat; pos]
  | |- 0 < / ?a => solve [apply Rinv_0_lt_compat; pos]
  | |- 0 < ?a ^ 2 => solve [apply positive_square; nonzero]
  | |- 0 < ?a ^ _ => solve [apply pow_lt; pos]
  | |- 0 < sqrt ?a => solve [apply sqrt_lt_R0; pos]
  | |- 0 < Rabs ?a => solve [apply Rabs_pos_lt; nonzero]
  | |- 0 < ?a + ?b => solve [apply Rplus_lt_le_0_compat; [pos | nonneg]]
  | |- 0 < ?a + ?b => solve [apply Rplus_le_lt_0_compat; [nonneg | pos]]
  | |- 0 < _ => lra
  | |- 0 < _ => nra
  end
with nonneg :=
  match goal with
  | |- 0 <= _ => assumption
  | |- 0 <= ?a * ?b => solve [apply Rmult_le_pos; nonneg]
  | |- 0 <= ?a / ?b => solve [apply Rmult_le_pos; [nonneg | apply Rlt_le, Rinv_0_lt_compat; pos]]
  | |- 0 <= ?a ^ _ => solve [apply even_power; reflexivity]
  | |- 0 <= ?a ^ _ => solve [apply pow_le; nonneg]
  | |- 0 <= sqrt _ => apply sqrt_pos
  | |- 0 <= Rabs _ => apply Rabs_pos
  | |- 0 <= ?a + ?b => solve [apply Rplus_le_le_0_compat; nonneg]
  | |- 0 <= _ => solve [apply Rlt_le; pos]
  | |- 0 <= _ => lra
  | |- 0 <= _ => nra
  end
with nonzero :=
  match goal with
  | |- _ <> 0 => assumption
  | |- ?a * ?b <> 0 => solve [apply Rmult_integral_contrapositive_currified; nonzero]
  | |- ?a ^ _ <> 0 => solve [apply pow_nonzero; nonzero]
  | |- / ?a <> 0 => solve [apply Rinv_neq_0_compat; nonzero]
  | |- _ <> 0 => solve [apply nonzero_of_pos; pos]
  | |- _ <> 0 => solve [apply nonzero_of_neg; pos]
  end.

(* An equation between rational expressions; the second form reduces powers by equations known of
   roots and absolute values. *)
Ltac rational := rewrite ?ln_exp; first [reflexivity | field; repeat split; nonzero].

(* A sum of terms that are known to be non-negative, or the empty one. *)
Ltac summed := first [assumption | apply Rle_refl | apply Rplus_le_le_0_compat; summed].

Print Assumptions s_is_sigma.
