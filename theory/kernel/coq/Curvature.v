(* Second derivatives: the Hessian of a loss after the layer, for any batch size and any eps. *)

From Coq Require Import Reals Lra Lia Arith.
From BNProof Require Import Tactics Sums Gradient Layer Derivative.
Local Open Scope R_scope.

(* H is the Hessian of F at y: near y there is a gradient G, whose entries have the gradients H_i. *)
Definition hessian (m : nat) (F : (nat -> R) -> R) (y : nat -> R) (H : nat -> nat -> R) : Prop :=
  exists G : (nat -> R) -> nat -> R,
    (exists d, 0 < d /\ forall w, norm m (minus w y) < d -> gradient m F w (G w)) /\
    forall i, (i < m)%nat -> gradient m (fun w => G w i) y (H i).

(* a'Hb *)
Definition form (m : nat) (H : nat -> nat -> R) (a b : nat -> R) : R :=
  dot m a (fun i => dot m (H i) b).

Lemma near_itself (m : nat) (y : nat -> R) : norm m (minus y y) = 0.
Proof. apply sum_zero. intros. unfold minus. rewrite Rminus_diag_eq by reflexivity. apply Rabs_R0. Qed.

Lemma gradient_near (m : nat) (F G : (nat -> R) -> R) (y g : nat -> R) (d : R) :
  0 < d -> (forall w, norm m (minus w y) < d -> F w = G w) -> gradient m F y g ->
  gradient m G y g.
Proof.
  intros positive same has e small_e. destruct (has e small_e) as [d' [? within]].
  exists (Rmin d d'). split; [now apply Rmin_pos|]. intros w near.
  rewrite <- (same w), <- (same y).
  - apply within. eapply Rlt_le_trans; [exact near | apply Rmin_r].
  - rewrite near_itself. assumption.
  - eapply Rlt_le_trans; [exact near | apply Rmin_l].
Qed.

Theorem hessian_unique (m : nat) (F : (nat -> R) -> R) (y : nat -> R) (H K : nat -> nat -> R) :
  hessian m F y H -> hessian m F y K ->
  forall i j, (i < m)%nat -> (j < m)%nat -> H i j = K i j.
Proof.
  intros [G [[d [? near_G]] slopes_G]] [E [[c [? near_E]] slopes_E]] i j row col.
  apply (gradient_unique m (fun w => E w i) y); [| now apply slopes_E | assumption].
  apply (gradient_near m (fun w => G w i) _ y _ (Rmin c d)); [now apply Rmin_pos | | auto].
  intros w near. apply (gradient_unique m F w); [apply near_G | apply near_E | assumption];
    (eapply Rlt_le_trans; [exact near | first [apply Rmin_l | apply Rmin_r]]).
Qed.

(* A gradient known by what it does along each direction. *)
Definition slope (m : nat) (F : (nat -> R) -> R) (y : nat -> R) (D : (nat -> R) -> R) : Prop :=
  exists g, gradient m F y g /\ forall u, dot m g u = D u.

Lemma slope_ext (m : nat) (F G : (nat -> R) -> R) (y : nat -> R) (D E : (nat -> R) -> R) :
  (forall w, F w = G w) -> (forall u, D u = E u) -> slope m F y D -> slope m G y E.
Proof.
  intros same alike [g [has along]]. exists g. split.
  - apply (gradient_ext m F G y g g); auto.
  - intros. now rewrite along.
Qed.

Lemma slope_plus (m : nat) (F G : (nat -> R) -> R) (y : nat -> R) (D E : (nat -> R) -> R) :
  slope m F y D -> slope m G y E -> slope m (fun w => F w + G w) y (fun u => D u + E u).
Proof.
  intros [g [has along]] [h [has' along']]. exists (fun i => g i + h i). split.
  - now apply gradient_plus.
  - intros. rewrite dot_comm, dot_plus, <- along, <- along', 2 (dot_comm m u). reflexivity.
Qed.

Lemma slope_scale (m : nat) (c : R) (F : (nat -> R) -> R) (y : nat -> R) (D : (nat -> R) -> R) :
  slope m F y D -> slope m (fun w => c * F w) y (fun u => c * D u).
Proof.
  intros [g [has along]]. exists (fun i => c * g i). split.
  - now apply gradient_scale.
  - intros. rewrite dot_comm, dot_scale, <- along, dot_comm. reflexivity.
Qed.

Lemma slope_mult (m : nat) (F G : (nat -> R) -> R) (y : nat -> R) (D E : (nat -> R) -> R) :
  slope m F y D -> slope m G y E ->
  slope m (fun w => F w * G w) y (fun u => F y * E u + G y * D u).
Proof.
  intros [g [has along]] [h [has' along']]. eexists. split.
  - exact (gradient_mult m F G y g h has has').
  - intros. rewrite dot_comm, dot_plus, 2 dot_scale, <- along, <- along', 2 (dot_comm m u).
    reflexivity.
Qed.

Lemma slope_const (m : nat) (c : R) (y : nat -> R) : slope m (fun _ => c) y (fun _ => 0).
Proof.
  exists (fun _ => 0). split; [apply gradient_const|].
  intros. apply sum_zero. intros. ring.
Qed.

Lemma slope_sum (m n : nat) (F : nat -> (nat -> R) -> R) (y : nat -> R)
  (D : nat -> (nat -> R) -> R) :
  (forall k, (k < n)%nat -> slope m (F k) y (D k)) ->
  slope m (fun w => sum n (fun k => F k w)) y (fun u => sum n (fun k => D k u)).
Proof.
  induction n; intros all; simpl.
  - exists (fun _ => 0). split; [apply gradient_const|].
    intros. apply sum_zero. intros. ring.
  - apply slope_plus; [apply IHn | apply all]; auto with arith.
Qed.

(* The gradient of which `slope` speaks, entry by entry. *)
Lemma slope_gradient (m : nat) (F : (nat -> R) -> R) (y : nat -> R) (D : (nat -> R) -> R) :
  slope m F y D ->
  gradient m F y (fun i => D (delta i)) /\ forall u, dot m (fun i => D (delta i)) u = D u.
Proof.
  intros [g [has along]].
  assert (same : forall i, (i < m)%nat -> D (delta i) = g i)
    by (intros; rewrite <- along; now apply dot_delta).
  split.
  - apply (gradient_ext m F F y g); auto. intros. symmetry. auto.
  - intros. rewrite <- along. apply dot_ext; auto.
Qed.

Lemma slope_chain (m n : nat) (L : (nat -> R) -> R) (F : nat -> (nat -> R) -> R)
  (y g : nat -> R) (D : nat -> (nat -> R) -> R) :
  gradient n L (fun k => F k y) g -> (forall k, (k < n)%nat -> slope m (F k) y (D k)) ->
  slope m (fun w => L (fun k => F k w)) y (fun u => dot n g (fun k => D k u)).
Proof.
  intros outer inner. eexists. split.
  - apply (chain m n L F y g (fun k i => D k (delta i)) outer).
    intros k below. apply (slope_gradient m (F k) y (D k)). auto.
  - intros u. rewrite dot_transpose. apply dot_ext; [reflexivity|].
    intros k below. apply (slope_gradient m (F k) y (D k)). auto.
Qed.

Lemma stays_positive (m : nat) (F : (nat -> R) -> R) (y g : nat -> R) :
  gradient m F y g -> 0 < F y -> exists d, 0 < d /\
  forall w, norm m (minus w y) < d -> 0 < F w.
Proof.
  intros has positive. destruct (gradient_lipschitz m F y g has) as [c [d [? [? moves]]]].
  assert (0 < F y / c) by now apply Rdiv_lt_0_compat.
  exists (Rmin d (F y / c)). split; [now apply Rmin_pos|]. intros w near.
  assert (moved : Rabs (F w - F y) <= c * norm m (minus w y))
    by (apply moves; eapply Rlt_le_trans; [exact near | apply Rmin_l]).
  assert (c * norm m (minus w y) < F y).
  { replace (F y) with (c * (F y / c)) by (field; lra). apply Rmult_lt_compat_l; [assumption|].
    eapply Rlt_le_trans; [exact near | apply Rmin_r]. }
  pose proof (Rle_abs (- (F w - F y))) as low. rewrite Rabs_Ropp in low. lra.
Qed.

Section Curvature.

Variables (m : nat) (eps gamma beta : R) (y : nat -> R).
Hypothesis ok : defined m eps y.

Let some : (0 < m)%nat := proj1 ok.
Let size : 0 < INR m := size_pos m some.
Let root : 0 < s m eps y := s_pos m eps y ok.

(* Pu *)
Definition project (u : nat -> R) (i : nat) : R :=
  u i - mean m u - dot m (yhat m eps y) u / INR m * yhat m eps y i.

Lemma slope_s : slope m (s m eps) y (fun u => dot m (yhat m eps y) u / INR m).
Proof.
  eexists. split; [exact (gradient_s m eps y ok)|]. intros u.
  rewrite <- (Rmult_1_l (dot m _ u)). unfold Rdiv. rewrite Rmult_1_l, Rmult_comm.
  unfold dot. rewrite <- sum_scale. apply sum_ext. intros. ring.
Qed.

Lemma slope_yhat (k : nat) :
  (k < m)%nat -> slope m (fun w => yhat m eps w k) y (fun u => project u k / s m eps y).
Proof.
  intros below. eexists. split; [exact (gradient_yhat m eps y ok k below)|]. intros u.
  unfold dot at 1. rewrite (sum_ext m _ (fun i => / s m eps y * (delta k i * u i)
    - / s m eps y / INR m * u i
    - / s m eps y / INR m * yhat m eps y k * (yhat m eps y i * u i))).
  - rewrite 2 sum_minus, 3 sum_scale, sum_delta by assumption.
    fold (dot m (yhat m eps y) u). unfold project, mean. field. lra.
  - intros. unfold jacobian. field. lra.
Qed.

Variables (L : (nat -> R) -> R) (G : (nat -> R) -> nat -> R) (H : nat -> nat -> R).
Let here := z m eps gamma beta y.
Let g := G here.
Hypothesis slopes : forall i, (i < m)%nat -> gradient m (fun w => G w i) here (H i).

(* The derivative of the entries of g along Du, where Du = D yhat[u]. *)
Let turn (u : nat -> R) (j : nat) : R :=
  gamma * dot m (H j) (fun k => project u k / s m eps y).

Lemma slope_G (j : nat) :
  (j < m)%nat -> slope m (fun w => G (z m eps gamma beta w) j) y (fun u => turn u j).
Proof.
  intros below. eapply slope_ext; [| |exact (slope_chain m m (fun x => G x j)
    (fun k w => z m eps gamma beta w k) y (H j) _ (slopes j below)
    (fun k row => slope_plus _ _ _ _ _ _ (slope_scale _ gamma _ _ _ (slope_yhat k row))
      (slope_const m beta y)))].
  - reflexivity.
  - intros u. unfold turn. rewrite <- dot_scale. apply dot_ext; [reflexivity|]. intros. ring.
Qed.

(* The derivative of entry i of the gradient at y, along u. *)
Definition bend (u : nat -> R) (i : nat) : R :=
  gamma / s m eps y * (turn u i - sum m (turn u) / INR m
    - (dot m (turn u) (yhat m eps y) + dot m g (project u) / s m eps y) / INR m * yhat m eps y i
    - dot m g (yhat m eps y) / INR m * (project u i / s m eps y))
  - gamma / s m eps y ^ 2 * (dot m (yhat m eps y) u / INR m)
    * (g i - sum m g / INR m - dot m g (yhat m eps y) / INR m * yhat m eps y i).

Lemma slope_pulled (i : nat) :
  (i < m)%nat ->
  slope m (fun w => pulled m eps w gamma (G (z m eps gamma beta w)) i) y (fun u => bend u i).
Proof.
  intros below.
  assert (inverse : slope m (fun w => / s m eps w) y
    (fun u => - / s m eps y ^ 2 * (dot m (yhat m eps y) u / INR m))).
  { destruct slope_s as [h [has along]]. eexists. split.
    - exact (gradient_after m Rinv _ y h _ (slope_inv _ root) has).
    - intros. rewrite dot_comm, dot_scale, dot_comm, along. reflexivity. }
  pose proof (slope_sum m m _ y _ slope_G) as total.
  pose proof (slope_sum m m _ y _ (fun j row =>
    slope_mult _ _ _ _ _ _ (slope_G j row) (slope_yhat j row))) as inner.
  eapply slope_ext; [| |exact (slope_scale m gamma _ y _ (slope_mult _ _ _ _ _ _ inverse
    (slope_plus _ _ _ _ _ _ (slope_G i below)
      (slope_scale m (- / INR m) _ y _ (slope_plus _ _ _ _ _ _ total
        (slope_mult _ _ _ _ _ _ inner (slope_yhat i below)))))))].
  - intros w. unfold pulled, dot, Rdiv.
    rewrite (sum_ext m (fun k => G _ k) (G (z m eps gamma beta w))) by reflexivity. ring.
  - intros u. simpl. unfold bend.
    rewrite (sum_ext m (fun k => _ * _ + _ * _) (fun k => turn u k * yhat m eps y k
      + / s m eps y * (g k * project u k))) by (intros; unfold g, here; field; lra).
    rewrite sum_plus, sum_scale.
    fold here. fold g.
    fold (dot m (turn u) (yhat m eps y)) (dot m g (project u)) (dot m g (yhat m eps y)).
    rewrite (sum_ext m (fun k => turn u k) (turn u)) by reflexivity.
    rewrite (sum_ext m (fun k => g k) g) by reflexivity.
    field. lra.
Qed.

(* u'Ku, where K is the Hessian at y, in the terms of the catalogue: K_i u = bend u i. *)
Theorem curvature (u : nat -> R) :
  dot m u (bend u) = gamma ^ 2 / s m eps y ^ 2 * form m H (project u) (project u)
    - gamma / (INR m * s m eps y ^ 2) * (2 * dot m u (yhat m eps y) * dot m g (project u)
      + dot m g (yhat m eps y) * dot m u (project u)).
Proof.
  assert (along : forall a, dot m a (project u)
    = dot m a u - sum m a * sum m u / INR m - dot m a (yhat m eps y) * dot m u (yhat m eps y) / INR m).
  { intros a. unfold dot at 1. rewrite (sum_ext m _ (fun i => a i * u i - sum m u / INR m * a i
      - dot m (yhat m eps y) u / INR m * (a i * yhat m eps y i))).
    - rewrite 2 sum_minus, 2 sum_scale. fold (dot m a u) (dot m a (yhat m eps y)).
      rewrite (dot_comm m (yhat m eps y) u). field. lra.
    - intros. unfold project, mean. field. lra. }
  assert (turned : dot m (turn u) (project u)
    = gamma / s m eps y * form m H (project u) (project u)).
  { unfold form. rewrite dot_comm, <- dot_scale. apply dot_ext; [reflexivity|].
    intros j _. unfold turn.
    rewrite (dot_ext m (H j) _ (H j) (fun k => / s m eps y * project u k));
      [rewrite dot_scale; field; lra | reflexivity | intros; unfold Rdiv; ring]. }
  unfold dot at 1. unfold bend.
  set (A := (dot m (turn u) (yhat m eps y) + dot m g (project u) / s m eps y) / INR m).
  set (B := dot m g (yhat m eps y) / INR m).
  set (C := gamma / s m eps y ^ 2 * (dot m (yhat m eps y) u / INR m)).
  rewrite (sum_ext m _ (fun i => gamma / s m eps y * (turn u i * u i)
    - gamma / s m eps y * sum m (turn u) / INR m * u i
    - gamma / s m eps y * A * (u i * yhat m eps y i)
    - gamma / s m eps y * B / s m eps y * (u i * project u i)
    - C * (g i * u i) + C * sum m g / INR m * u i + C * B * (u i * yhat m eps y i)))
    by (intros; field; lra).
  rewrite 2 sum_plus, 4 sum_minus, 7 sum_scale.
  fold (dot m (turn u) u) (dot m u (yhat m eps y)) (dot m u (project u)) (dot m g u).
  pose proof (along (turn u)) as along_turn. pose proof (along g) as along_g.
  rewrite turned in along_turn.
  replace (dot m (turn u) u) with (gamma / s m eps y * form m H (project u) (project u)
    + sum m (turn u) * sum m u / INR m
    + dot m (turn u) (yhat m eps y) * dot m u (yhat m eps y) / INR m) by lra.
  replace (dot m g u) with (dot m g (project u) + sum m g * sum m u / INR m
    + dot m g (yhat m eps y) * dot m u (yhat m eps y) / INR m) by lra.
  unfold A, B, C. rewrite (dot_comm m (yhat m eps y) u). field. lra.
Qed.

Hypothesis near_here : exists d, 0 < d /\
  forall x, norm m (minus x here) < d -> gradient m L x (G x).

Lemma layer_near : exists d, 0 < d /\ forall w, norm m (minus w y) < d ->
  gradient m (fun x => L (z m eps gamma beta x)) w (pulled m eps w gamma (G (z m eps gamma beta w))).
Proof.
  destruct near_here as [d [? loss]].
  destruct (stays_positive m (fun w => variance m w + eps) y _ (gradient_plus _ _ _ _ _ _
    (gradient_variance m eps y ok) (gradient_const m eps y)) (proj2 ok)) as [e [? positive]].
  destruct (all_lipschitz m m (fun k w => z m eps gamma beta w k) y _ (fun k below =>
    gradient_plus _ _ _ _ _ _ (gradient_scale _ gamma _ _ _ (gradient_yhat m eps y ok k below))
      (gradient_const m beta y))) as [c [a [? [? moves]]]].
  assert (0 < d / c) by now apply Rdiv_lt_0_compat.
  exists (Rmin e (Rmin a (d / c))). split; [now repeat apply Rmin_pos|]. intros w near.
  assert (norm m (minus w y) < e /\ norm m (minus w y) < a /\ norm m (minus w y) < d / c)
    as [? [? ?]].
  { pose proof (Rmin_l e (Rmin a (d / c))). pose proof (Rmin_r e (Rmin a (d / c))).
    pose proof (Rmin_l a (d / c)). pose proof (Rmin_r a (d / c)). lra. }
  assert (ok' : defined m eps w) by (split; [exact some | auto]).
  apply (gradient_loss m eps w ok' gamma beta L). apply loss.
  eapply Rle_lt_trans; [apply (moves w); assumption|].
  replace d with (c * (d / c)) by (field; lra). now apply Rmult_lt_compat_l.
Qed.

Theorem hessian_layer :
  hessian m (fun w => L (z m eps gamma beta w)) y (fun i j => bend (delta j) i).
Proof.
  exists (fun w => pulled m eps w gamma (G (z m eps gamma beta w))). split; [exact layer_near|].
  intros i below. exact (proj1 (slope_gradient _ _ _ _ (slope_pulled i below))).
Qed.

Lemma hessian_along (K : nat -> nat -> R) (i : nat) (u : nat -> R) :
  hessian m (fun w => L (z m eps gamma beta w)) y K -> (i < m)%nat -> dot m (K i) u = bend u i.
Proof.
  intros has below. rewrite <- (proj2 (slope_gradient _ _ _ _ (slope_pulled i below)) u).
  apply dot_ext; [|reflexivity]. intros j col.
  exact (hessian_unique m _ y _ _ has hessian_layer i j below col).
Qed.

End Curvature.

(* u'Ku = gamma^2/s^2 (Pu)'H(Pu) - gamma/(m s^2) (2 <u,yhat> g'Pu + <g,yhat> u'Pu) *)
Theorem form_layer (m : nat) (eps gamma beta : R) (y : nat -> R) (L : (nat -> R) -> R)
  (g : nat -> R) (H K : nat -> nat -> R) (u : nat -> R) :
  defined m eps y -> gradient m L (z m eps gamma beta y) g ->
  hessian m L (z m eps gamma beta y) H -> hessian m (fun w => L (z m eps gamma beta w)) y K ->
  form m K u u = gamma ^ 2 / s m eps y ^ 2 * form m H (project m eps y u) (project m eps y u)
    - gamma / (INR m * s m eps y ^ 2)
      * (2 * dot m u (yhat m eps y) * dot m g (project m eps y u)
         + dot m g (yhat m eps y) * dot m u (project m eps y u)).
Proof.
  intros ok loss [G [near slopes]] second.
  assert (same : forall i, (i < m)%nat -> g i = G (z m eps gamma beta y) i).
  { intros i below. destruct near as [d [? near]].
    apply (gradient_unique m L (z m eps gamma beta y)); [assumption | | assumption].
    apply near. now rewrite near_itself. }
  rewrite (dot_ext m g (project m eps y u) (G (z m eps gamma beta y)) (project m eps y u))
    by auto.
  rewrite (dot_ext m g (yhat m eps y) (G (z m eps gamma beta y)) (yhat m eps y)) by auto.
  rewrite <- (curvature m eps gamma beta y ok G H u).
  apply dot_ext; [reflexivity|]. intros i below.
  exact (hessian_along m eps gamma beta y ok L G H slopes near K i u second below).
Qed.

Print Assumptions form_layer.
