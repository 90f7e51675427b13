/**
 * One baby-like face as SVG, 256×256. Every feature is placed on a sphere that yaw and pitch turn, so that turned heads
 * foreshorten as heads do. The origin of the face is its centre; x runs right, y down, in pixels at scale 1.
 */
import { blend, css, type Pose, type Scene, type Subject } from './traits.ts';

const headRadius = 96;
const white = [255, 252, 248] as const;
const black = [18, 12, 12] as const;

/** What the parts of the drawing share. */
interface Canvas {
  subject: Subject;
  pose: Pose;
  scene: Scene;
  /** Where a point of the frontal face lands, as "x y". */
  at: (x: number, y: number) => string;
  /** Horizontal foreshortening at a point of the frontal face. */
  squeeze: (x: number) => number;
  skin: readonly [number, number, number];
  shade: readonly [number, number, number];
  lips: readonly [number, number, number];
}

export function drawFace(subject: Subject, pose: Pose, scene: Scene): string {
  const yaw = (scene.yaw * Math.PI) / 180;
  const pitch = (scene.pitch * Math.PI) / 180;
  const angle = (x: number, turn: number) => Math.asin(Math.max(-0.99, Math.min(0.99, x / headRadius))) + turn;
  const fixed = (value: number) => value.toFixed(2);
  const canvas: Canvas = {
    subject,
    pose,
    scene,
    at: (x, y) =>
      `${fixed(headRadius * Math.sin(angle(x, yaw)))} ${fixed(headRadius * 1.1 * Math.sin(angle(y / 1.1, pitch)))}`,
    squeeze: (x) => Math.max(0.35, Math.cos(angle(x, yaw)) / Math.cos(angle(x, 0))),
    skin: blend(subject.skin, [226, 92, 80], 0.1 * pose.flush),
    shade: blend(subject.skin, [92, 34, 26], 0.4),
    lips: blend(subject.skin, [176, 52, 62], 0.48),
  };
  const [dx, dy] = scene.shift;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256" viewBox="0 0 256 256">
<defs>${gradients(canvas)}</defs>
${background(scene)}
<g transform="translate(${128 + dx} ${132 + dy}) rotate(${scene.roll}) scale(${scene.scale})">
${body(canvas)}${ears(canvas)}${head(canvas)}${cheeks(canvas)}
${eye(canvas, -1)}${eye(canvas, 1)}${brow(canvas, -1)}${brow(canvas, 1)}
${folds(canvas)}${nose(canvas)}${mouth(canvas)}${tears(canvas)}${hair(canvas)}${occluder(canvas)}
</g>
<rect width="256" height="256" fill="url(#light)"/>
</svg>`;
}

function gradients({ scene, skin, shade, subject }: Canvas): string {
  const radians = (scene.lightAngle * Math.PI) / 180;
  const [lx, ly] = [Math.cos(radians), Math.sin(radians)];
  const share = (value: number) => (0.5 + value).toFixed(3);
  return `
<radialGradient id="skin" cx="${share(0.22 * lx)}" cy="${share(0.2 * ly)}" r="0.75">
<stop offset="0" stop-color="${css(blend(skin, white, 0.22))}"/><stop offset="0.55" stop-color="${css(skin)}"/>
<stop offset="1" stop-color="${css(blend(skin, shade, 0.75))}"/></radialGradient>
<radialGradient id="blush"><stop offset="0" stop-color="rgb(222,84,84)" stop-opacity="0.42"/><stop offset="1" stop-color="rgb(222,84,84)" stop-opacity="0"/></radialGradient>
<radialGradient id="iris"><stop offset="0" stop-color="${css(blend(subject.iris, black, 0.5))}"/><stop offset="0.7" stop-color="${css(subject.iris)}"/><stop offset="1" stop-color="${css(blend(subject.iris, black, 0.6))}"/></radialGradient>
<linearGradient id="light" x1="${share(0.5 * lx)}" y1="${share(0.5 * ly)}" x2="${share(-0.5 * lx)}" y2="${share(-0.5 * ly)}">
<stop offset="0" stop-color="#fff" stop-opacity="${0.28 * scene.lightStrength}"/><stop offset="0.5" stop-color="#000" stop-opacity="0"/>
<stop offset="1" stop-color="#0a0610" stop-opacity="${scene.lightStrength}"/></linearGradient>
<filter id="soft" x="-30%" y="-30%" width="160%" height="160%"><feGaussianBlur stdDeviation="2.2"/></filter>
<filter id="wide" x="-30%" y="-30%" width="160%" height="160%"><feGaussianBlur stdDeviation="9"/></filter>`;
}

function background({ background: [main, second], pattern, side }: Scene): string {
  const base = `<rect width="256" height="256" fill="${css(main)}"/>`;
  const fill = css(blend(main, second, 0.6));
  const repeat = (draw: (i: number) => string) => Array.from({ length: 9 }, (_, i) => draw(i)).join('');
  if (pattern === 'stripes')
    return base + repeat((i) => `<path d="M${i * 34 - 30} -5l${side * 20} 266" stroke="${fill}" stroke-width="13"/>`);
  if (pattern === 'dots') {
    return (
      base + repeat((i) => repeat((j) => `<circle cx="${i * 32 + (j % 2) * 16}" cy="${j * 32}" r="6" fill="${fill}"/>`))
    );
  }
  if (pattern === 'blobs') {
    return `${base}<g filter="url(#wide)">${repeat((i) => `<circle cx="${(i * 97) % 256}" cy="${(i * 61 + 20) % 256}" r="${28 + ((i * 13) % 30)}" fill="${css(blend(main, second, (i % 4) / 3))}"/>`)}</g>`;
  }
  return base;
}

function body({ subject }: Canvas): string {
  const { cloth } = subject;
  return `<path d="M-34 70L-30 112L30 112L34 70Z" fill="url(#skin)"/><ellipse cx="0" cy="94" rx="42" ry="12" fill="rgba(60,20,16,0.35)" filter="url(#soft)"/>
<path d="M-150 190C-128 118 -80 104 -40 97C-20 112 20 112 40 97C80 104 128 118 150 190Z" fill="${css(cloth)}"/>
<path d="M-40 97C-20 112 20 112 40 97" fill="none" stroke="${css(blend(cloth, black, 0.25))}" stroke-width="4"/>`;
}

function ears({ subject, scene, shade }: Canvas): string {
  const ear = (side: -1 | 1) => {
    // The ear turns behind the head on the side the face looks to.
    const x = side * 80 * subject.headWidth - scene.yaw * 0.35;
    const rx = Math.max(4, (12 - side * scene.yaw * 0.28) * subject.earSize);
    const ry = 18 * subject.earSize;
    return `<ellipse cx="${x}" cy="12" rx="${rx}" ry="${ry}" fill="url(#skin)"/><ellipse cx="${x}" cy="13" rx="${rx * 0.5}" ry="${ry * 0.6}" fill="${css(shade, 0.45)}"/>`;
  };
  return ear(-1) + ear(1);
}

/** A broad skull, full cheeks and a small chin. */
function outline({ subject, pose, scene }: Canvas): string {
  const skull = 80 * subject.headWidth;
  const cheek = 76 * subject.headWidth * subject.cheeks;
  const chin = 82 + 9 * pose.mouthOpen;
  const turn = scene.yaw * 0.5;
  return `M${-skull} -14C${-skull} -74 -44 -98 0 -98C44 -98 ${skull} -74 ${skull} -14C${skull} 10 ${cheek} 22 ${cheek + turn * 0.3} 36C${cheek - 6} 62 34 ${chin} ${turn} ${chin}C-34 ${chin} ${-cheek + 6} 62 ${-cheek + turn * 0.3} 36C${-cheek} 22 ${-skull} 10 ${-skull} -14Z`;
}

const head = (canvas: Canvas) => `<path d="${outline(canvas)}" fill="url(#skin)"/>`;

function cheeks({ at, squeeze, pose, shade }: Canvas): string {
  const lift = pose.mouthCurve > 0 ? 5 * pose.mouthCurve : 0;
  return [-1, 1]
    .map((side) => {
      const [x, y] = at(side * 47, 34 - lift).split(' ');
      const blush = `<ellipse cx="${x}" cy="${y}" rx="${24 * squeeze(side * 47)}" ry="19" fill="url(#blush)" opacity="${0.35 + 0.65 * pose.flush}"/>`;
      if (pose.fold === 0) return blush;
      // The lower edge of a raised cheek.
      const bulge = `<path d="M${at(side * 26, 24 - lift)}Q${at(side * 46, 29 - lift)} ${at(side * 62, 18 - lift)}" fill="none" stroke="${css(shade, 0.3 * pose.fold)}" stroke-width="3" filter="url(#soft)"/>`;
      return blush + bulge;
    })
    .join('');
}

function eye(canvas: Canvas, side: -1 | 1): string {
  const { subject, pose, at, squeeze, shade, skin, scene } = canvas;
  const x = side * 33 * subject.eyeSpacing;
  const y = 2;
  const rx = 15.5 * subject.eyeSize;
  const inner = at(x - side * rx, y + 1.5);
  const outer = at(x + side * rx, y - subject.eyeTilt);
  const open = 11.5 * subject.eyeSize * pose.eyeOpen;
  const push = 9 * pose.lowerLid;
  const lash = css(blend(shade, black, 0.75));
  if (pose.eyeOpen < 0.25) {
    // Shut: smiling eyes arch upwards, crying eyes are pressed into a line that sags.
    const bend = pose.mouthCurve > 0 ? -9 : 5;
    const creases =
      pose.mouthCurve > 0
        ? ''
        : `<path d="M${at(x + side * rx, y - 2)}l${side * 7} -4M${at(x + side * rx, y + 1)}l${side * 8} 2" stroke="${css(shade, 0.7)}" stroke-width="1.4"/>`;
    return `<path d="M${inner}Q${at(x, y + bend)} ${outer}" fill="none" stroke="${lash}" stroke-width="3.2" stroke-linecap="round"/>
<path d="M${inner}Q${at(x, y + bend + 8)} ${outer}" fill="none" stroke="${css(shade, 0.45)}" stroke-width="1.6"/>${creases}`;
  }
  const upper = `Q${at(x + side * 1.5, y - open * 1.75)} ${outer}`;
  const lower = `Q${at(x + side, y + open * 1.35 - push)} ${inner}`;
  const shape = `M${inner}${upper}${lower}Z`;
  const clip = `eye${side < 0 ? 'l' : 'r'}`;
  const [cx, cy] = at(x + pose.gaze[0] + scene.yaw * 0.08, y + pose.gaze[1] + 0.5)
    .split(' ')
    .map(Number) as [number, number];
  const thin = squeeze(x);
  const iris = 9.2 * subject.eyeSize;
  const lid = `Q${at(x + side * 1.5, y - open * 1.75 - 6)} `;
  return `<path d="M${inner}${lid}${outer}" fill="none" stroke="${css(shade, 0.5)}" stroke-width="1.6"/>
<clipPath id="${clip}"><path d="${shape}"/></clipPath><path d="${shape}" fill="${css(blend(white, skin, 0.1))}"/>
<g clip-path="url(#${clip})"><ellipse cx="${cx}" cy="${cy}" rx="${iris * thin}" ry="${iris}" fill="url(#iris)"/>
<ellipse cx="${cx}" cy="${cy}" rx="${iris * 0.48 * thin}" ry="${iris * 0.48}" fill="#0c0808"/>
<circle cx="${cx - 3}" cy="${cy - 3.4}" r="2.5" fill="#fff" opacity="0.92"/><circle cx="${cx + 2.8}" cy="${cy + 3}" r="1.2" fill="#fff" opacity="0.5"/>
<path d="M${inner}${upper}" fill="none" stroke="rgba(30,10,10,0.35)" stroke-width="6"/></g>
<path d="M${inner}${upper}" fill="none" stroke="${lash}" stroke-width="2.4" stroke-linecap="round"/>
<path d="M${outer}${lower}" fill="none" stroke="${css(shade, 0.55 + 0.3 * pose.lowerLid)}" stroke-width="${1.1 + 1.6 * pose.lowerLid}"/>`;
}

function brow({ subject, pose, at, shade }: Canvas, side: -1 | 1): string {
  const x = side * 33 * subject.eyeSpacing;
  const y = -25;
  const colour = css(blend(subject.hair, shade, 0.25), 0.45 + 0.35 * subject.browWeight);
  const path = `M${at(x - side * 16, y + 2 - pose.browInner + 3 * pose.frown * (pose.browInner < 2 ? 1 : 0))}Q${at(x + side * 2, y - 5 - 0.6 * (pose.browInner + pose.browOuter))} ${at(x + side * 18, y + 3 - pose.browOuter)}`;
  return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="${3.6 * subject.browWeight + 1}" stroke-linecap="round"/>`;
}

function folds({ pose, at, shade }: Canvas): string {
  const lines: string[] = [];
  for (const side of [-1, 1]) {
    if (pose.fold > 0) {
      const spread = 27 + 4 * pose.mouthOpen;
      lines.push(
        `<path d="M${at(side * 17, 25)}Q${at(side * (spread + 3), 33)} ${at(side * (spread + 4), 49)}" stroke="${css(shade, 0.55 * pose.fold)}" stroke-width="2"/>`,
      );
    }
    if (pose.frown > 0.3) {
      lines.push(
        `<path d="M${at(side * 5, -28)}Q${at(side * 8, -22)} ${at(side * 6.5, -15)}" stroke="${css(shade, 0.6 * pose.frown)}" stroke-width="2"/>`,
      );
    }
  }
  return `<g fill="none" stroke-linecap="round">${lines.join('')}</g>`;
}

function nose({ subject, at, scene, skin, shade, pose }: Canvas): string {
  const w = 10.5 * subject.noseSize * (1 + 0.12 * Math.abs(pose.mouthCurve));
  // The tip stands out of the sphere, so it moves further than the skin around it.
  const push = scene.yaw * 0.35;
  const [x, y] = at(0, 24 + scene.pitch * 0.2)
    .split(' ')
    .map(Number) as [number, number];
  const tip = x + push;
  return `<path d="M${tip - w * 0.5} ${y - 22}Q${tip - w * 0.35} ${y - 8} ${tip - w} ${y}" fill="none" stroke="${css(shade, 0.22)}" stroke-width="3" filter="url(#soft)"/>
<ellipse cx="${tip}" cy="${y - 1}" rx="${w}" ry="${w * 0.68}" fill="${css(blend(skin, white, 0.12), 0.75)}" filter="url(#soft)"/>
<path d="M${tip - w} ${y - 1}Q${tip - w} ${y + 6} ${tip - w * 0.35} ${y + 5.5}Q${tip} ${y + 8} ${tip + w * 0.35} ${y + 5.5}Q${tip + w} ${y + 6} ${tip + w} ${y - 1}" fill="none" stroke="${css(shade, 0.6)}" stroke-width="1.8"/>
<ellipse cx="${tip - w * 0.42}" cy="${y + 4.2}" rx="2.3" ry="1.5" fill="${css(blend(shade, black, 0.5), 0.75)}"/><ellipse cx="${tip + w * 0.42}" cy="${y + 4.2}" rx="2.3" ry="1.5" fill="${css(blend(shade, black, 0.5), 0.75)}"/>`;
}

function mouth({ subject, pose, at, shade, lips }: Canvas): string {
  const half = 19 * subject.mouthSize * pose.mouthWidth;
  const corner = 50 - 8 * pose.mouthCurve;
  // How far the middle of the lip line lies below the corners: smiles sag, frowns arch.
  const sag = 12 * pose.mouthCurve;
  const upper = corner + 1.15 * sag - pose.mouthOpen * (pose.mouthCurve > 0 ? 5 : 14);
  const lower = corner + 1.15 * sag + pose.mouthOpen * (pose.mouthCurve > 0 ? 33 : 30);
  const boxy = pose.mouthCurve < 0 ? 0.78 : 0.55;
  const left = at(-half, corner);
  const right = at(half, corner);
  const over = (y: number, reach = boxy) => `C${at(-half * reach, y)} ${at(half * reach, y)} ${right}`;
  const back = (y: number, reach = boxy) => `C${at(half * reach, y)} ${at(-half * reach, y)} ${left}`;
  const lip = `<path d="M${left}C${at(-half * 0.45, upper - 8)} ${at(-4, upper - 8)} ${at(0, upper - 3.5)}C${at(4, upper - 8)} ${at(half * 0.45, upper - 8)} ${right}${back(lower + 7 + 5 * pose.lowerLip)}Z" fill="${css(lips)}"/>`;
  const shadow = `<path d="M${at(-half * 0.5, lower + 8 + 3 * pose.lowerLip)}Q${at(0, lower + 13 + 5 * pose.lowerLip)} ${at(half * 0.5, lower + 8 + 3 * pose.lowerLip)}" fill="none" stroke="${css(shade, 0.45)}" stroke-width="3" filter="url(#soft)"/>`;
  const dark = css(blend(shade, black, 0.55));
  if (pose.mouthOpen < 0.07) {
    const line = `<path d="M${left}${over(upper + 1)}" fill="none" stroke="${dark}" stroke-width="2.2" stroke-linecap="round"/>`;
    return shadow + lip + line;
  }
  const cavity = `M${left}${over(upper)}${back(lower)}Z`;
  const depth = lower - upper;
  const [tx, ty] = at(0, lower - depth * 0.12).split(' ');
  return `${shadow}${lip}<clipPath id="mouth"><path d="${cavity}"/></clipPath><path d="${cavity}" fill="rgb(92,22,28)"/>
<g clip-path="url(#mouth)"><ellipse cx="${tx}" cy="${ty}" rx="${half * 0.62}" ry="${depth * 0.34}" fill="rgb(214,104,110)"/>
<path d="M${left}${over(upper)}" fill="none" stroke="rgb(226,140,140)" stroke-width="${Math.min(7, depth * 0.28)}"/></g>
<path d="${cavity}" fill="none" stroke="${dark}" stroke-width="1.3" stroke-opacity="0.7"/>`;
}

function tears({ pose, at }: Canvas): string {
  if (pose.tears === 0) return '';
  return [-1, 1]
    .map((side) => {
      const end = 14 + 34 * pose.tears;
      const [x, y] = at(side * 40, end)
        .split(' ')
        .map(Number) as [number, number];
      return `<path d="M${at(side * 36, 10)}Q${at(side * 43, end * 0.6)} ${x} ${y}" fill="none" stroke="rgba(225,242,255,0.75)" stroke-width="3.4" stroke-linecap="round"/><circle cx="${x}" cy="${y}" r="3.6" fill="rgba(235,247,255,0.9)"/>`;
    })
    .join('');
}

function hair({ subject, scene }: Canvas): string {
  const colour = css(subject.hair, 0.92);
  const w = 82 * subject.headWidth;
  const turn = scene.yaw * 0.5;
  // The hairline moves with yaw and pitch; the outline of the skull does not.
  const line = -62 + scene.pitch * 0.8;
  const skull = `M${-w} -16C${-w - 2} -78 -46 -102 0 -102C46 -102 ${w + 2} -78 ${w} -16`;
  const cap = (dip: number) =>
    `${skull}C${w - 6} -40 ${44 + turn} ${line} ${turn} ${line + dip}C${-44 + turn} ${line} ${-w + 6} -40 ${-w} -16Z`;
  switch (subject.hairStyle) {
    case 'bald':
      return '';
    case 'fuzz':
      return `<path d="${cap(-8)}" fill="${css(subject.hair, 0.3)}" filter="url(#soft)"/>`;
    case 'cap':
      return `<path d="${cap(-4)}" fill="${colour}"/>`;
    case 'tuft':
      return `<path d="${cap(-14)}" fill="${css(subject.hair, 0.4)}" filter="url(#soft)"/><path d="M${turn - 20} -92C${turn - 8} -126 ${turn + 18} -118 ${turn + 6} -96C${turn + 20} -116 ${turn + 34} -104 ${turn + 20} -90C${turn + 6} -82 ${turn - 10} -84 ${turn - 20} -92Z" fill="${colour}"/>`;
    case 'fringe':
      return `<path d="${skull}C${w - 4} -46 ${30 + turn} -58 ${20 + turn} -68C${4 + turn} -46 ${-34 + turn} -36 ${-w + 4} -30Z" fill="${colour}"/>`;
    case 'curls': {
      const curls = Array.from({ length: 13 }, (_, i) => {
        const a = Math.PI * (1.04 + (0.92 * i) / 12);
        return `<circle cx="${(w - 4) * Math.cos(a)}" cy="${-14 + 84 * Math.sin(a)}" r="${14 + (i % 3) * 2}" fill="${colour}"/>`;
      });
      return `<path d="${cap(-8)}" fill="${colour}"/>${curls.join('')}`;
    }
    case 'hat': {
      const edge = css(blend(subject.cloth, black, 0.18));
      return `<path d="M${-w - 5} -34C${-w - 6} -92 -48 -112 0 -112C48 -112 ${w + 6} -92 ${w + 5} -34C40 -62 -40 -62 ${-w - 5} -34Z" fill="${css(subject.cloth)}"/><path d="M${-w - 5} -34C-40 -64 40 -64 ${w + 5} -34" fill="none" stroke="${edge}" stroke-width="13" stroke-linecap="round"/>`;
    }
    case 'headband':
      return `<path d="${cap(-8)}" fill="${css(subject.hair, 0.55)}"/><path d="M${-w} -42C-40 -74 40 -74 ${w} -42" fill="none" stroke="${css(subject.cloth)}" stroke-width="11"/><path d="M${turn + 24} -68l-15 -13v26zM${turn + 24} -68l15 -13v26z" fill="${css(blend(subject.cloth, black, 0.15))}"/>`;
  }
}

function occluder({ scene, at, skin, shade, pose }: Canvas): string {
  if (scene.occluder === 'none') return '';
  const [x, y] = at(0, 50).split(' ').map(Number) as [number, number];
  if (scene.occluder === 'dummy') {
    const edge = css(blend(scene.occluderColour, black, 0.3));
    const colour = css(scene.occluderColour);
    return `<path d="M${x - 31} ${y - 4}C${x - 30} ${y - 20} ${x - 10} ${y - 12} ${x} ${y - 14}C${x + 10} ${y - 12} ${x + 30} ${y - 20} ${x + 31} ${y - 4}C${x + 32} ${y + 16} ${x + 12} ${y + 17} ${x} ${y + 15}C${x - 12} ${y + 17} ${x - 32} ${y + 16} ${x - 31} ${y - 4}Z" fill="${colour}" stroke="${edge}" stroke-width="1.5"/>
<circle cx="${x}" cy="${y}" r="9" fill="${edge}"/><circle cx="${x}" cy="${y + 13}" r="13" fill="none" stroke="${css(blend(scene.occluderColour, white, 0.5), 0.95)}" stroke-width="4.5"/>`;
  }
  // A small fist that hides one side of the face below the eye.
  const side = scene.side;
  const fx = x + side * (38 + 6 * pose.mouthOpen);
  const fy = y + 8;
  const line = css(shade, 0.75);
  const fingers = [0, 1, 2, 3]
    .map(
      (i) =>
        `<ellipse cx="${fx - side * 14}" cy="${fy - 17 + i * 11}" rx="11.5" ry="7" fill="url(#skin)" stroke="${line}" stroke-width="1.2"/>`,
    )
    .join('');
  return `<path d="M${fx + side * 60} ${fy + 90}L${fx + side * 4} ${fy + 18}L${fx + side * 24} ${fy - 8}L${fx + side * 100} ${fy + 50}Z" fill="${css(skin)}" stroke="${line}" stroke-width="1.2"/>
<ellipse cx="${fx + side * 4}" cy="${fy}" rx="24" ry="25" fill="url(#skin)" stroke="${line}" stroke-width="1.2"/>${fingers}`;
}
