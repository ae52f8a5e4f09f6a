"""A signing world whose answers we know, so that nothing has to be downloaded.

Corpora, each a manifest and a function from clip name to clip:
clips           isolated signs
sentences       continuous signing
actions         everyday actions as Kinect skeletons
layouts         these corpora on disk, in the official layouts of four real ones
layout_writer   what the layouts share: clips to files, in many processes, resumable
__main__        the command line: `python -m signlib.synthesis`

What is signed:
phonology       tables: handshapes, places, movements, palm directions
signs           lexicons, minimal pairs, variants
grammar         sentences from an n-gram whose probabilities are known
discourse       who is where in signing space: pointing, agreement, handling

Who signs, and where:
signers         body, way of moving, camera
appearance      skin, hair, clothes, light, and the room behind a signer
skin            where a hand touches head and trunk

How it moves:
motion          limbs: smooth profiles, inverse and forward kinematics
posture         how an arm takes a hand to a place
strokes         what both hands do while a sign lasts
transitions     how they get from sign to sign
face            a face in 3-D and its expressions
performance     all of it: 543 points in metres, frame by frame

How it is seen:
camera          as landmarks, with noise and drop-outs
render          as video, in colour and in depth
surfaces        a z-buffer and what is drawn into it
limbs           arms, hands, neck and legs as capsules
heads           the head and what is painted on its face
kinect          as the 25 joints of a Kinect
portrait        a film from a public-domain photograph, for landmark extractors

The sixty actions of NTU RGB+D 60:
bodies          whole bodies, and scripts that move them
action_parts    what programs of actions are built from
everyday        what one person does with things
gestures        what one person does without things
mutual_actions  what two persons do

seeding         names -> random generators
"""
