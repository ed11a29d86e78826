import type { Clock } from "./clock.ts";

/** A clock that moves when told; for tests. */
export class ManualClock implements Clock {
  #nowMs: number;

  constructor(start: Date | string = "2026-01-01T00:00:00Z") {
    this.#nowMs = new Date(start).getTime();
  }

  now(): Date {
    return new Date(this.#nowMs);
  }

  /** Moves by this many milliseconds; backwards when negative, as real clocks sometimes do. */
  advance(ms: number): void {
    this.#nowMs += ms;
  }
}
