import { type Kysely, sql } from "kysely";
import type { z } from "zod";
import type { Database } from "../../../platform/db/open-database.ts";
import type { Fault } from "../domain/fault.ts";
import { type KitTables, kitView } from "./kit-tables.ts";

const listedMax = 1_000;
const callsKept = 5_000;

/** A call that arrived, told without anything secret. */
export interface Call {
  readonly at: Date;
  readonly requestId: string;
  readonly method: string;
  /** The route, such as `/data/v1/accounts/:accountId`. */
  readonly path: string;
  /** Null when the answer was lost. */
  readonly status: number | null;
  /** The provider's code of a refusal. */
  readonly error: string | null;
  /** The provider's name of what the call was about. */
  readonly subject: string | null;
  readonly fields: readonly string[];
  readonly fault: string | null;
}

/** A fault with the strokes it has left. */
export type WaitingFault = Fault & { readonly id: string; readonly remaining: number };

/** Faults, settings and the record of calls. */
export interface ControlStore<Settings> {
  addFault(fault: Fault): Promise<WaitingFault>;
  /** Those with strokes left, oldest first. */
  listFaults(): Promise<readonly WaitingFault[]>;
  clearFaults(): Promise<void>;
  /** The oldest fault waiting for this route, one stroke of it used up; safe with many calls at once. */
  takeFault(path: string): Promise<Fault | undefined>;
  settings(): Promise<Settings>;
  /** Replaces them all. */
  saveSettings(settings: Settings): Promise<void>;
  /** Adds a call; the newest 5,000 are kept. */
  addCall(call: Call): Promise<void>;
  /** Oldest first, from after this id, of one route or of all; 1,000 at most. */
  listCalls(from: { after: bigint; path: string | undefined }): Promise<readonly (Call & { readonly id: bigint })[]>;
  clearCalls(): Promise<void>;
}

/** Opens the store. Settings never saved are the shape's defaults. */
export function createControlStore<Tables extends KitTables, Shape extends z.ZodType>(
  db: Database<Tables>,
  settingsShape: Shape,
): ControlStore<z.infer<Shape>> {
  const query = kitView(db.query);
  return {
    ...faultStore(query),
    ...callStore(query),
    async settings() {
      const row = await query.selectFrom("settings").select("value").executeTakeFirst();
      return settingsShape.parse(row?.value ?? {});
    },
    async saveSettings(settings) {
      const value = JSON.stringify(settings);
      await query
        .insertInto("settings")
        .values({ value })
        .onConflict((conflict) => conflict.column("one").doUpdateSet({ value }))
        .execute();
    },
  };
}

function faultStore(
  query: Kysely<KitTables>,
): Pick<ControlStore<unknown>, "addFault" | "listFaults" | "clearFaults" | "takeFault"> {
  const waiting = (row: { id: bigint; fault: Fault; remaining: number }): WaitingFault => ({
    ...row.fault,
    id: String(row.id),
    remaining: row.remaining,
  });
  return {
    async addFault(fault) {
      const row = await query
        .insertInto("faults")
        .values({ path: fault.path, fault: JSON.stringify(fault), remaining: fault.times })
        .returning("fault_id as id")
        .executeTakeFirstOrThrow();
      return waiting({ ...row, fault, remaining: fault.times });
    },
    async listFaults() {
      const rows = await query
        .selectFrom("faults")
        .select(["fault_id as id", "fault", "remaining"])
        .where("remaining", ">", 0)
        .orderBy("fault_id")
        .limit(listedMax)
        .execute();
      return rows.map(waiting);
    },
    async clearFaults() {
      await query.deleteFrom("faults").execute();
    },
    async takeFault(path) {
      const taken = await query
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
            .forUpdate(),
        )
        .where("remaining", ">", 0)
        .returning("fault")
        .executeTakeFirst();
      return taken?.fault;
    },
  };
}

function callStore(query: Kysely<KitTables>): Pick<ControlStore<unknown>, "addCall" | "listCalls" | "clearCalls"> {
  return {
    async addCall({ requestId, ...call }) {
      const { id } = await query
        .insertInto("calls")
        .values({ ...call, request_id: requestId, fields: [...call.fields] })
        .returning("call_id as id")
        .executeTakeFirstOrThrow();
      if (id % 100n === 0n) {
        await query
          .deleteFrom("calls")
          .where("call_id", "<=", id - BigInt(callsKept))
          .execute();
      }
    },
    listCalls: ({ after, path }) =>
      query
        .selectFrom("calls")
        .select(["call_id as id", "request_id as requestId"])
        .select(["at", "method", "path", "status", "error", "subject", "fields", "fault"])
        .where("call_id", ">", after)
        .where(path === undefined ? sql<boolean>`true` : sql<boolean>`path = ${path}`)
        .orderBy("call_id")
        .limit(listedMax)
        .execute(),
    async clearCalls() {
      await query.deleteFrom("calls").execute();
    },
  };
}
