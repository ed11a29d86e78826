import { sql } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import type { Fault } from "../domain/fault.ts";
import { type Settings, settingsShape } from "../domain/settings.ts";
import type { PlaidTables } from "./tables.ts";

const listedMax = 500;
const callsKept = 5_000;

/** A call that arrived, told without anything secret: names of the body's members, never their values. */
export interface ArrivedCall {
  readonly at: Date;
  readonly path: string;
  readonly status: number | null;
  readonly errorCode: string | null;
  readonly requestId: string;
  readonly fields: readonly string[];
  readonly fault: string | null;
}

/** What the control API keeps. */
export interface ControlStore {
  addFault(fault: Fault): Promise<void>;
  listFaults(): Promise<readonly (Fault & { remaining: number })[]>;
  clearFaults(): Promise<void>;
  /** Takes one stroke of the oldest fault that is meant for this endpoint. */
  takeFault(path: string): Promise<Fault | undefined>;
  addCall(call: ArrivedCall): Promise<void>;
  listCalls(path: string | undefined): Promise<readonly ArrivedCall[]>;
  clearCalls(): Promise<void>;
  settings(): Promise<Settings>;
  saveSettings(settings: Settings): Promise<void>;
  /** Forgets everything but the webhook keys. */
  reset(): Promise<void>;
}

/** Opens the store on the sandbox's schema. */
export function createControlStore(db: Database<PlaidTables>): ControlStore {
  return {
    ...faultsOf(db),
    ...callsOf(db),
    async settings() {
      const row = await db.query.selectFrom("settings").select("value").executeTakeFirst();
      return settingsShape.parse(row?.value ?? {});
    },
    async saveSettings(settings) {
      const value = JSON.stringify(settings);
      await db.query
        .insertInto("settings")
        .values({ value })
        .onConflict((conflict) => conflict.column("one").doUpdateSet({ value }))
        .execute();
    },
    async reset() {
      for (const table of ["items", "link_tokens", "webhook_deliveries", "faults", "calls", "settings"] as const) {
        await db.query.deleteFrom(table).execute();
      }
    },
  };
}

function faultsOf(db: Database<PlaidTables>) {
  return {
    async addFault(fault: Fault) {
      await db.query
        .insertInto("faults")
        .values({ path: fault.path, fault: JSON.stringify(fault), remaining: fault.times })
        .execute();
    },
    async listFaults() {
      const rows = await db.query.selectFrom("faults").selectAll().orderBy("fault_id").limit(listedMax).execute();
      return rows.map((row) => ({ ...row.fault, remaining: row.remaining }));
    },
    async clearFaults() {
      await db.query.deleteFrom("faults").execute();
    },
    async takeFault(path: string) {
      const row = await db.query
        .updateTable("faults")
        .set({ remaining: sql`remaining - 1` })
        .where("remaining", ">", 0)
        .where("fault_id", "=", (query) =>
          query
            .selectFrom("faults")
            .select("fault_id")
            .where("path", "in", [path, "*"])
            .where("remaining", ">", 0)
            .orderBy("fault_id")
            .limit(1),
        )
        .returning("fault")
        .executeTakeFirst();
      return row?.fault;
    },
  };
}

function callsOf(db: Database<PlaidTables>) {
  return {
    async addCall(call: ArrivedCall) {
      const { callId } = await db.query
        .insertInto("calls")
        .values({
          at: call.at,
          path: call.path,
          status: call.status,
          error_code: call.errorCode,
          request_id: call.requestId,
          fields: [...call.fields],
          fault: call.fault,
        })
        .returning("call_id as callId")
        .executeTakeFirstOrThrow();
      await db.query
        .deleteFrom("calls")
        .where("call_id", "<=", callId - BigInt(callsKept))
        .execute();
    },
    async listCalls(path: string | undefined) {
      const rows = await db.query
        .selectFrom("calls")
        .selectAll()
        .$if(path !== undefined, (query) => query.where("path", "=", path ?? ""))
        .orderBy("call_id", "desc")
        .limit(listedMax)
        .execute();
      return rows.map((row) => ({
        at: row.at,
        path: row.path,
        status: row.status,
        errorCode: row.error_code,
        requestId: row.request_id,
        fields: row.fields,
        fault: row.fault,
      }));
    },
    async clearCalls() {
      await db.query.deleteFrom("calls").execute();
    },
  };
}
