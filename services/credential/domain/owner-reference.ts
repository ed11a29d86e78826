/** Claims of one source, unverified shapes. */
export type Claims = Readonly<Record<string, unknown>>;

const referenceLengthMax = 255;

/**
 * The bank's id of the user who owns the accounts: `bsim_user_id`, else `fi_user_ref`, else `sub`. A better name in a later
 * source beats a worse one in an earlier: the pseudonymous `sub` is in every token and would otherwise always win.
 * Sources come in order of trust. Undefined when no source has any.
 */
export function ownerReference(sources: readonly Claims[]): string | undefined {
  for (const name of ["bsim_user_id", "fi_user_ref", "sub"]) {
    const value = claimText(sources, name);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** A claim's text from the first source that has it, if it is of a sensible length. */
export function claimText(
  sources: readonly Claims[],
  name: string,
  lengthMax = referenceLengthMax,
): string | undefined {
  for (const source of sources) {
    const value = source[name];
    if (typeof value === "string" && value.length > 0 && value.length <= lengthMax) return value;
  }
  return undefined;
}
