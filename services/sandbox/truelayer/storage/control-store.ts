import { sql } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import type { Fault } from "../domain/fault.ts";
import { type Settings, settingsShape } from "../domain/settings.ts";
import type { TrueLayerTables } from "./tables.ts";

/** A call that arrived; field names, and values only of those that hold no secret. */
export interface Call {
  readonly at: Date;
  readonly method: string;
  /** The route, such as `/data/v1/accounts/:accountId`. */
  readonly path: string;
  readonly status: number | null;
  readonly error: string | null;
  readonly credentialsId: string | null;
  readonly fields: readonly string[];
  readonly fault: string | null;
}

/** Faults, settings and the record of calls. */
export interface ControlStore {
  addFault(fault: Fault): Promise<bigint>;
  listFaults(): Promise<readonly { readonly id: bigint; readonly fault: Fault; readonly remaining: number }[]>;
  clearFaults(): Promise<void>;
  /** The oldest fault waiting for this route, one strike of it used up; safe with many calls at once. */
  takeFault(path: string): Promise<Fault | undefined>;
  settings(): Promise<Settings>;
  /** Replaces them all. */
  saveSettings(settings: Settings): Promise<void>;
  addCall(call: Call): Promise<void>;
  /** Oldest first, from after this id. */
  listCalls(after: bigint, limit: number): Promise<readonly (Call & { readonly id: bigint })[]>;
  clearCalls(): Promise<void>;
  /** Keeps the newest calls only. */
  trimCalls(keep: number): Promise<void>;
}

/** Opens the store on the sandbox's schema. */
export function createControlStore(db: Database<TrueLayerTables>): ControlStore {
  return { ...faultStore(db), ...settingsStore(db), ...callStore(db) };
}

function faultStore(
  db: Database<TrueLayerTables>,
): Pick<ControlStore, "addFault" | "listFaults" | "clearFaults" | "takeFault"> {
  return {
    async addFault(fault) {
      const added = await db.query
        .insertInto("faults")
        .values({ path: fault.path, fault: JSON.stringify(fault), remaining: fault.times })
        .returning("fault_id")
        .executeTakeFirstOrThrow();
      return added.fault_id;
    },
    listFaults: () =>
      db.query
        .selectFrom("faults")
        .select(["fault_id as id", "fault", "remaining"])
        .where("remaining", ">", 0)
        .orderBy("fault_id")
        .execute(),
    async clearFaults() {
      await db.query.deleteFrom("faults").execute();
    },
    async takeFault(path) {
      const taken = await db.query
        .updateTable("faults")
        .set((each) => ({ remaining: each("remaining", "-", 1) }))
        .where("fault_id", "=", (each) =>
          each
            .selectFrom("faults")
            .select("fault_id")
            .where("path", "in", [path, "*"])
            .where("remaining", ">", 0)
            .orderBy("fault_id")
            .limit(1)
            .modifyEnd(sql`for update`),
        )
        .where("remaining", ">", 0)
        .returning("fault")
        .executeTakeFirst();
      return taken?.fault;
    },
  };
}

function settingsStore(db: Database<TrueLayerTables>): Pick<ControlStore, "settings" | "saveSettings"> {
  return {
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
  };
}

function callStore(
  db: Database<TrueLayerTables>,
): Pick<ControlStore, "addCall" | "listCalls" | "clearCalls" | "trimCalls"> {
  return {
    async addCall({ credentialsId, ...call }) {
      await db.query
        .insertInto("calls")
        .values({ ...call, fields: [...call.fields], credentials_id: credentialsId })
        .execute();
    },
    listCalls: (after, limit) =>
      db.query
        .selectFrom("calls")
        .select([
          "call_id as id",
          "at",
          "method",
          "path",
          "status",
          "error",
          "credentials_id as credentialsId",
          "fields",
          "fault",
        ])
        .where("call_id", ">", after)
        .orderBy("call_id")
        .limit(limit)
        .execute(),
    async clearCalls() {
      await db.query.deleteFrom("calls").execute();
    },
    async trimCalls(keep) {
      await db.query
        .deleteFrom("calls")
        .where("call_id", "<=", (each) =>
          each.selectFrom("calls").select(sql<bigint>`max(call_id) - ${keep}`.as("oldest")),
        )
        .execute();
    },
  };
}
