/** What the bank earns on card payments, in hundredths of a percent of the captured amount. */
export const interchangeBasisPoints = 150n;

/** The interchange on an amount, both in minor units, rounded down. */
export function interchangeMinor(amountMinor: bigint): bigint {
  return (amountMinor * interchangeBasisPoints) / 10_000n;
}
