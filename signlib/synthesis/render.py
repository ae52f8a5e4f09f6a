"""Video of a performance, in colour and in depth, frame by frame.

The same points that the landmarks come from are dressed, lit and seen by the same camera, so that
landmarks, colour and depth of a clip agree to the pixel.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from signlib.errors import SettingsError
from signlib.synthesis import heads, motion, surfaces
from signlib.synthesis.appearance import Look, backdrop
from signlib.synthesis.limbs import (
    ARM,
    HAIR,
    HEAD,
    LEFT_HAND,
    LEGS,
    NECK,
    RIGHT_HAND,
    SLEEVE,
    TRUNK,
    Limbs,
    limbs,
)
from signlib.synthesis.performance import Performance
from signlib.synthesis.seeding import generator
from signlib.synthesis.signers import Signer

# The face: its box, what is painted in it (h, w), how much light reaches its hollows (h, w).
Paint = tuple[tuple[slice, slice], np.ndarray, np.ndarray]
SMALLEST, LARGEST = 32, 2048
# Samples a pixel along each side: edges are smooth without a single mixed depth.
FINE = 1.5
# Fewest samples that make whole pixels.
_BLOCK = 3

# Place between shoulders (0) and hips (1), half width and half depth in shoulder widths.
_TRUNK = np.array(
    [
        (-0.185, 0.15, 0.155),
        (-0.15, 0.205, 0.17),
        (-0.118, 0.31, 0.19),
        (-0.08, 0.44, 0.21),
        (-0.025, 0.53, 0.235),
        (0.06, 0.555, 0.27),
        (0.16, 0.53, 0.30),
        (0.30, 0.49, 0.315),
        (0.55, 0.45, 0.30),
        (0.75, 0.44, 0.295),
        (0.95, 0.475, 0.31),
        (1.12, 0.50, 0.325),
    ]
)
_HAIRLINE = {"short": -0.74, "long": -0.72, "bun": -0.80, "fringe": -0.56, "bald": None}
# Metres between neighbouring pixels at which the depth camera loses the farther one.
_STEP = 0.06
# Millimetres that the depth camera can measure.
_NEAREST, _FARTHEST = 500, 8000


def render(
    performance: Performance, seated: Signer, look: Look, width: int = 256, height: int = 256
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Two pictures of every frame, in colour and in depth.

    They are (H, W, 3) uint8 RGB, and (H, W) uint16 millimetres with 0 = nothing measured.

    Args:
        performance: of one clip; at least one frame.
        seated: its signer with the camera of that take, as `corpus.seated(name)`.
        look: as `appearance.make_look` dresses that signer.
        width, height: of the pictures in pixels, even numbers from 32 to 2048.

    Raises:
        SettingsError: for no frame, or a size that is odd or out of range.
    """
    if len(performance.points) == 0:
        raise SettingsError("a performance of 0 frames cannot be filmed: give at least 1")
    if any(side % 2 or not SMALLEST <= side <= LARGEST for side in (width, height)):
        raise SettingsError(
            f"pictures of {width} x {height} pixels: give even numbers from {SMALLEST} to {LARGEST}"
            " for both sides"
        )
    return Studio(performance, seated, look, width=width, height=height).frames()


class Studio:
    """What is the same in all frames of a clip, and the buffers that frames are drawn in."""

    def __init__(
        self, performance: Performance, seated: Signer, look: Look, *, width: int, height: int
    ) -> None:
        self.look, self.size = look, (width, height)
        turn = motion.turns(np.array([[seated.yaw, seated.tilt, seated.roll]]))[0].T
        self.points = performance.points @ turn
        self.gaze = performance.gaze
        x, y = seated.centre
        self.lens = surfaces.Lens(
            (FINE * width * x, FINE * height * y), seated.distance, FINE * width * seated.zoom
        )
        self.shoulders = seated.shoulders
        self.limbs: Limbs = limbs(self.points, seated, look.sleeves)
        self.poses = heads.head_poses(self.points[:, :468])
        fine = int(FINE * width), int(FINE * height)
        self.canvas = surfaces.Canvas.blank(*fine)
        room, self.wall = backdrop(look, seated.distance, width, height)
        room = cv2.resize(room, fine, interpolation=cv2.INTER_LINEAR)
        self.room = np.ascontiguousarray((room + 0.5).astype(np.uint8).transpose(2, 0, 1))
        self.empty = self._shrunk(self.room, self.size)
        # The sample in the middle of each pixel.
        rows, columns = (
            ((np.arange(side) + 0.5) * FINE).astype(np.int32) for side in (height, width)
        )
        self.middle = rows[:, None], columns
        self.colours, self.make_up = _colours(look)
        # Errors of the depth camera, and where each frame finds its own among them.
        rng = generator(look.seed, "depth", len(self.points))
        self.grain = rng.standard_normal((height + 64, width + 64), dtype=np.float32)
        self.shifts = rng.integers(0, 64, (len(self.points), 2))

    def frames(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Colour and depth of one frame after the other."""
        for t in range(len(self.points)):
            paint = self.draw(t)
            z = self.canvas.z[self.middle]
            yield self.colour(t, z, paint), self.depth(t, z)

    def draw(self, t: int) -> Paint | None:
        """Fill the canvas; the face comes back, None where it is outside the picture."""
        canvas, lens, pose = self.canvas, self.lens, self.poses[t]
        canvas.clear()
        self._draw_trunk(t)
        self._draw_limbs(t)
        haircut = self.look.haircut
        heads.draw_skull(canvas, pose, lens, head=HEAD, hair=HAIR, haircut=haircut)
        face = heads.draw_face(
            canvas, pose, lens, head=HEAD, hair=HAIR, hairline=_HAIRLINE[haircut]
        )
        if face is None:
            return None
        box, light = face
        points = lens.project(self.points[t, :468])[:, :2]
        return box, heads.paint_features(points, self.gaze[t], pose, lens=lens, box=box), light

    def _draw_limbs(self, t: int) -> None:
        lens, limbs = self.lens, self.limbs
        start, end = lens.project(limbs.start[t]), lens.project(limbs.end[t])
        first, last = (lens.scale(ends[:, 2] - lens.distance) for ends in (start, end))
        surfaces.draw_capsules(
            self.canvas,
            start=np.column_stack([start, first * limbs.radii[:, 0]]),
            end=np.column_stack([end, last * limbs.radii[:, 1]]),
            scale=(first + last) / 2,
            material=limbs.material,
        )
        corners = lens.project(limbs.plates[t])
        scale = lens.scale(corners[:, 0, 2] - lens.distance)
        surfaces.draw_plates(
            self.canvas,
            corners,
            thickness=scale[:, None] * limbs.thickness,
            scale=scale,
            material=limbs.plate_material,
        )

    def _draw_trunk(self, t: int) -> None:
        left, right, left_hip, right_hip = self.points[t, [479, 480, 491, 492]]
        top, bottom = self.lens.project(np.stack([(left + right) / 2, (left_hip + right_hip) / 2]))
        scale = float(self.lens.scale(top[2] - self.lens.distance - 0.05))
        profile = _TRUNK * (1, scale * self.shoulders, scale * self.shoulders)
        across = left - right
        surfaces.draw_trunk(
            self.canvas,
            top,
            bottom,
            turn=float(np.arctan2(across[2], across[0])),
            scale=scale,
            profile=profile,
            material=TRUNK,
        )
        self.axis = top, bottom, scale

    def colour(self, t: int, z: np.ndarray, paint: Paint | None) -> np.ndarray:
        """(H, W, 3) uint8 of what is on the canvas, before the room.

        Args:
            z: (H, W) depth in the middle of each pixel.
            paint: what `draw` returned.
        """
        canvas, look, out = self.canvas, self.look, self.empty.copy()
        box = self._bounds()
        if box is None:
            return out
        # From here on the samples with something on them, one after the other.
        seen = np.flatnonzero(canvas.material[box])
        planes = (canvas.material, canvas.nx, canvas.ny, self._nearness(z))
        material, nx, ny, near = (plane[box].ravel()[seen] for plane in planes)
        nz = -np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0))
        lamp = np.array(look.light, np.float32)
        shade = np.maximum(nx * lamp[0] + ny * lamp[1] + nz * lamp[2] + np.float32(0.15), 0)
        shade *= np.float32(1.2 * (1 - look.ambient))
        shade += np.float32(look.ambient)
        shade *= np.float32(0.72) - np.float32(0.28) * nz
        shade *= near
        colours = np.stack([channel[material] for channel in self.colours])
        self._dress(colours, material, seen, box)
        self._show_palms(colours, material, (nx, ny, nz), t)
        if paint is not None:
            self._make_up(colours, shade, seen, bounds=box, paint=paint)
        colours *= shade
        np.minimum(colours, 255, out=colours)
        picture = self.room[:, box[0], box[1]].copy()
        for plane, channel in zip(picture, colours.astype(np.uint8), strict=True):
            plane.ravel()[seen] = channel
        rows, columns = (slice(int(part.start / FINE), int(part.stop / FINE)) for part in box)
        size = columns.stop - columns.start, rows.stop - rows.start
        out[rows, columns] = self._shrunk(picture, size)
        return out

    def _bounds(self) -> tuple[slice, slice] | None:
        """Rows and columns of all that is on the canvas; None when it is empty.

        They are whole pixels of the picture.
        """
        full = self.canvas.material > 0
        bounds = []
        for axis in (1, 0):
            lines = np.flatnonzero(full.any(axis))
            if len(lines) == 0:
                return None
            first = int(lines[0]) // _BLOCK * _BLOCK
            past = -(-(int(lines[-1]) + 1) // _BLOCK) * _BLOCK
            bounds.append(slice(first, past))
        return bounds[0], bounds[1]

    @staticmethod
    def _shrunk(planes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        # (H, W, 3) pixels of three planes of samples.
        small = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes]
        return cv2.merge(small)

    def _nearness(self, z: np.ndarray) -> np.ndarray:
        """(h, w) share of light, below 1 where something nearer is close by and keeps it off.

        Source: Luft et al. 2006.
        """
        z = np.minimum(z, np.float32(self.lens.distance + 0.25))
        side = max(3, int(0.035 * self.lens.zoom / FINE) | 1)
        behind = z - cv2.blur(z, (side, side))
        np.maximum(behind, 0, out=behind)
        behind *= np.float32(-5.0)
        behind += 1
        np.maximum(behind, np.float32(0.55), out=behind)
        return cv2.resize(behind, self.canvas.z.shape[::-1], interpolation=cv2.INTER_LINEAR)

    def _dress(
        self,
        colours: np.ndarray,
        material: np.ndarray,
        seen: np.ndarray,
        bounds: tuple[slice, slice],
    ) -> None:
        # Put the pattern on the shirt, in place.
        if self.look.pattern == "plain":
            return
        shirt = np.flatnonzero(material == TRUNK)
        rows, columns = np.divmod(seen[shirt], bounds[1].stop - bounds[1].start)
        rows, columns = rows + bounds[0].start, columns + bounds[1].start
        top, bottom, scale = self.axis
        middle = top[0] + (rows - top[1]) / (bottom[1] - top[1]) * (bottom[0] - top[0])
        across = (columns - middle) / scale
        down = (rows - top[1]) / scale
        stripes, hoops = np.mod(across / 0.06, 1) < 0.4, np.mod(down / 0.07, 1) < 0.4
        chosen = {"stripes": stripes, "hoops": hoops, "checks": stripes ^ hoops}[self.look.pattern]
        colours[:, shirt[chosen]] = np.array(self.look.accent, np.float32)[:, None]

    def _show_palms(
        self,
        colours: np.ndarray,
        material: np.ndarray,
        normal: tuple[np.ndarray, np.ndarray, np.ndarray],
        t: int,
    ) -> None:
        # Make the inner sides of the hands lighter, in place.
        nx, ny, nz = normal
        for hand, first, sign in ((LEFT_HAND, 501, -1), (RIGHT_HAND, 522, 1)):
            of = np.flatnonzero(material == hand)
            wrist, index, middle, pinky = self.points[t, [first, first + 5, first + 9, first + 17]]
            inner = sign * np.cross(index - pinky, middle - wrist)
            inner = (inner / np.linalg.norm(inner)).astype(np.float32)
            towards = nx[of] * inner[0] + ny[of] * inner[1] + nz[of] * inner[2]
            facing = np.clip(1.6 * towards, 0, 1)
            colours[:, of] += facing * (self.colours[:, :1] - self.colours[:, hand, None])

    def _make_up(
        self,
        colours: np.ndarray,
        shade: np.ndarray,
        seen: np.ndarray,
        *,
        bounds: tuple[slice, slice],
        paint: Paint,
    ) -> None:
        # Put eyes, brows, lips and hollows on the face where it is in sight, in place.
        box, labels, light = paint
        rows = np.arange(box[0].start, box[0].stop) - bounds[0].start
        columns = np.arange(box[1].start, box[1].stop) - bounds[1].start
        # Number of each pixel of the face within `bounds`, as in `seen`.
        number = rows[:, None] * (bounds[1].stop - bounds[1].start) + columns
        bare = self.canvas.material[box] == HEAD
        at = np.searchsorted(seen, number[bare])
        shade[at] *= light[bare]
        painted = (labels > 0) & bare
        at = np.searchsorted(seen, number[painted])
        colours[:, at] = self.make_up[:, labels[painted]]

    def depth(self, t: int, z: np.ndarray) -> np.ndarray:
        """(H, W) uint16 millimetres of what is on the canvas, and of the room around it.

        A time-of-flight camera measures them: whole millimetres, with shadows at edges, and with
        errors that grow with the square of the distance.

        Source: Wasenmuller & Stricker 2016 describe such errors of the Kinect v2.
        Differs: their sizes are chosen (1.5 mm at 2 m for hardness 1), not fitted to a camera.
        """
        z, strength = np.where(np.isfinite(z), z, self.wall), self.look.noise
        exact = z * np.float32(1000)
        if strength > 0:
            y, x = self.shifts[t]
            grain = self.grain[y : y + z.shape[0], x : x + z.shape[1]]
            exact += np.float32(0.375 * strength) * z * z * grain
            # The lamp stands beside the lens, so what is nearer throws a shadow to one side.
            beside = np.zeros(z.shape, bool)
            beside[:, 1:] = z[:, 1:] - z[:, :-1] > _STEP
            exact[beside & (grain > 1 - strength)] = 0
        exact[(exact < _NEAREST) | (exact > _FARTHEST)] = 0
        return (exact + np.float32(0.5)).astype(np.uint16)


def _colours(look: Look) -> tuple[np.ndarray, np.ndarray]:
    # (3, 10) of each material, 0 is the palm; and (3, 10) of what `heads.paint_features` paints.
    skin, shirt, hair = (np.array(colour) for colour in (look.skin, look.shirt, look.hair))
    palm = 0.55 * skin + 0.45 * np.array([238, 172, 154])
    rows = np.empty((10, 3))
    rows[[ARM, HEAD, LEFT_HAND, RIGHT_HAND]] = skin
    rows[0], rows[NECK], rows[TRUNK], rows[SLEEVE] = palm, 0.86 * skin, shirt, shirt
    rows[LEGS], rows[HAIR] = look.trousers, look.hair
    painted = [
        skin,
        (232, 230, 226),  # white
        look.eyes,
        (14, 12, 12),  # pupil
        0.25 * hair + 8,  # lashes
        0.75 * hair + 0.12 * skin,  # brows
        0.62 * skin + 0.30 * np.array([170, 60, 70]),  # lips
        (54, 22, 24),  # cavity
        (226, 222, 212),  # teeth
        0.42 * skin,  # nostrils
    ]
    make_up = (np.array(painted, np.float32) * np.array(look.tint, np.float32)).T
    return np.ascontiguousarray((rows * look.tint).T, np.float32), make_up
