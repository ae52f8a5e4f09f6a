"""A signing world whose answers we know, so that nothing has to be downloaded.

corpora      clips (isolated signs) · sentences (continuous signing) · actions (everyday actions as
Kinect skeletons) on disk      layouts, layout_writer: the official layouts of four corpora; `python
-m signlib.synthesis` who          signers (body, motion, camera) · appearance (skin, clothes, room,
light) · skin (where a hand touches) what         phonology (tables) · signs (lexicons, minimal
pairs) · grammar (n-gram) · discourse (loci, agreement) how          motion (limbs) · posture (arms)
· strokes · tracks (from sign to sign) · face · performance (543 points) seen by      camera
(landmarks with drop-outs) · render (RGB and depth) with surfaces, limbs, heads, backdrop · kinect
everyday     bodies · programs · everyday · gestures · together: the sixty actions of NTU RGB+D 60
else         seeding (names -> random generators) · portrait (a film from a public-domain
photograph)
"""
