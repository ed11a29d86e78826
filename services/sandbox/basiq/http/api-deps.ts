import type { Clock } from "../../../platform/time/clock.ts";
import type { ReadMoment } from "../../kit/sandbox-clock.ts";
import type { ControlStore } from "../../kit/storage/control-store.ts";
import type { DeliveryStore } from "../../kit/storage/delivery-store.ts";
import type { Access } from "../access.ts";
import type { DataDesk } from "../data-desk.ts";
import type { Instant } from "../domain/records.ts";
import type { Settings } from "../domain/settings.ts";
import type { ConnectionStore } from "../storage/connection-store.ts";
import type { ConsentStore } from "../storage/consent-store.ts";
import type { EventStore } from "../storage/event-store.ts";
import type { JobStore } from "../storage/job-store.ts";
import type { TokenStore } from "../storage/token-store.ts";
import type { UserStore } from "../storage/user-store.ts";
import type { VisitStore } from "../storage/visit-store.ts";

/** What the sandbox's routes work with. */
export interface ApiDeps {
  readonly users: UserStore;
  readonly tokens: TokenStore;
  readonly consents: ConsentStore;
  readonly connections: ConnectionStore;
  readonly jobs: JobStore;
  readonly visits: VisitStore;
  readonly events: EventStore;
  readonly deliveries: DeliveryStore;
  readonly control: ControlStore<Settings>;
  readonly access: Access;
  readonly desk: DataDesk;
  readonly moment: ReadMoment<Settings>;
  readonly clock: Clock;
  readonly apiKey: string;
  readonly controlKey: string;
  readonly applicationName: string;
  readonly redirectUrl: string;
  /** Where browsers and programs reach the sandbox. */
  readonly origin: string;
  /** Tells the operator of a failure that callers see as internal-server-error. */
  readonly logError: (requestId: string, cause: unknown) => void;
}

/** Now, as callers see it and truly. */
export async function instantOf(deps: Pick<ApiDeps, "moment" | "clock">): Promise<Instant> {
  const { now } = await deps.moment();
  return { now, trueNow: deps.clock.now() };
}
