import type { Clock } from "../../platform/time/clock.ts";
import type { Settings } from "./domain/settings.ts";
import type { ControlStore } from "./storage/control-store.ts";

/** One call's view of the sandbox: its settings, and its time with the skew asked for. */
export interface Moment {
  readonly settings: Settings;
  readonly now: Date;
}

/** Reads settings and time for one call. */
export type ReadMoment = () => Promise<Moment>;

/** The sandbox's time: the given clock moved by the setting `clockSkewSeconds`. */
export function sandboxClock(control: Pick<ControlStore, "settings">, clock: Clock): ReadMoment {
  return async () => {
    const settings = await control.settings();
    return { settings, now: new Date(clock.now().getTime() + settings.clockSkewSeconds * 1_000) };
  };
}
