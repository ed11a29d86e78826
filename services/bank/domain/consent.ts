/** How long a consent stands, and a remembered one is not asked again. Contract section 6. */
export const consentLifeMs = 365 * 86_400_000;

/** What a customer ticked, after checking that it is his. */
export interface Selection {
  readonly cardIds: readonly string[];
  readonly accountIds: readonly string[];
}

/** The chosen ids that are among those offered, each once, in the order offered. Ids of other people's cards fall out here. */
export function chosenAmong(chosen: readonly string[], offered: readonly { readonly id: string }[]): string[] {
  const wanted = new Set(chosen);
  return offered.map((each) => each.id).filter((id) => wanted.has(id));
}
