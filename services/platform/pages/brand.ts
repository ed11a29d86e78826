/** Who speaks on a page. */
export interface Brand {
  /** Service or bank id; names the cookies of this site, which share one host with others in the local world. */
  readonly id: string;
  readonly name: string;
  /** `#rrggbb`, dark enough for white text on it (contrast 4.5 or more). */
  readonly color: string;
}

/** Contrast of small text that WCAG 2.2 asks for (success criterion 1.4.3, level AA). */
const contrastMin = 4.5;

/** Refuses a brand whose buttons could not be read or whose id cannot name a cookie. Throws a RangeError that says why. */
export function checkBrand(brand: Brand): Brand {
  if (!/^#[0-9a-f]{6}$/i.test(brand.color)) throw new RangeError(`brand colour "${brand.color}" is not #rrggbb`);
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(brand.id)) throw new RangeError(`brand id "${brand.id}" cannot name a cookie`);
  const contrast = contrastWithWhite(brand.color);
  if (contrast < contrastMin)
    throw new RangeError(`white on ${brand.color} has contrast ${contrast.toFixed(2)}, under 4.5`);
  return brand;
}

/** Contrast ratio of white on `#rrggbb`, by WCAG 2.2's definition of relative luminance. */
export function contrastWithWhite(color: string): number {
  const channel = (from: number): number => {
    const share = Number.parseInt(color.slice(from, from + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  const luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
  return 1.05 / (luminance + 0.05);
}

// No red: it is for errors.
const bankColors = ["#0b5d5b", "#0f5f8a", "#3d3a8c", "#1f5c2e", "#7a2e6b", "#1d4f91", "#7a4a00"] as const;

/** A steady colour for an institution that has not chosen one: the same id gives the same colour on every replica. */
export function colorForId(id: string): string {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003;
  return bankColors[sum % bankColors.length] ?? bankColors[0];
}
