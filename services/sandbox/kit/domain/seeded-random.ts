import { createHash } from "node:crypto";

/** Numbers that are the same for the same seed, on every machine and in every run. */
export interface SeededRandom {
  /** From 0 up to, not including, 1. */
  next(): number;
  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number;
  pick<T>(list: readonly [T, ...T[]]): T;
}

/** Draws from SHA-256 of the seed and a counter: slow, and good enough that no pattern shows in a statement. */
export function seededRandom(seed: string): SeededRandom {
  let drawn = 0;
  const next = () => {
    drawn += 1;
    return createHash("sha256").update(`${seed}\n${drawn}`).digest().readUInt32BE(0) / 2 ** 32;
  };
  return {
    next,
    between: (min, max) => min + Math.floor(next() * (max - min + 1)),
    pick: (list) => list[Math.floor(next() * list.length)] ?? list[0],
  };
}
