import type { Clock } from "../../platform/time/clock.ts";
import type { ControlStore } from "./storage/control-store.ts";

/** What every sandbox lets its operator set. Spread it into the sandbox's own shape; see `settings.ts`. */
export interface SharedSettings {
  readonly clockSkewSeconds: number;
  readonly webhookFirstPauseMs: number;
  readonly webhookSignature: string;
}

/** One call's view of the sandbox: its settings, and its time with the skew asked for. */
export interface Moment<Settings> {
  readonly settings: Settings;
  readonly now: Date;
}

/** Reads settings and time for one call. */
export type ReadMoment<Settings> = () => Promise<Moment<Settings>>;

/** The sandbox's time: the given clock moved by the setting `clockSkewSeconds`. */
export function sandboxClock<Settings extends { readonly clockSkewSeconds: number }>(
  control: Pick<ControlStore<Settings>, "settings">,
  clock: Clock,
): ReadMoment<Settings> {
  return async () => {
    const settings = await control.settings();
    return { settings, now: new Date(clock.now().getTime() + settings.clockSkewSeconds * 1_000) };
  };
}
