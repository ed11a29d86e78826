import { once } from "node:events";
import { createConnection, createServer, type Socket } from "node:net";

/**
 * Where a process is stopped. `sent`: it has sent the statement, which never reaches the database. `answered`: the statement was
 * run, and its answer never reaches the process. `committed`: so was the commit of the statement's transaction.
 */
export type HoldPoint = "sent" | "answered" | "committed";

/** The statement a process is to be stopped at. */
export interface Hold {
  readonly at: HoldPoint;
  /** Words of the statement, as it is sent. */
  readonly statement: string;
  /** Values it is sent with, such as a user's id: others' statements pass. */
  readonly naming: readonly string[];
}

/** Stands between a process and its database, and stops the process at a statement. */
export interface StatementProxy {
  /** The database's address by way of the proxy. */
  readonly url: string;
  /** Stops the next process that sends such a statement, once; resolves when it is stopped there. */
  hold(hold: Hold): Promise<void>;
  close(): Promise<void>;
}

interface Waiting extends Hold {
  readonly reached: () => void;
}

/** Starts a proxy in front of this database, which must be on TCP without TLS. A session ends at both sides together. */
export async function startStatementProxy(databaseUrl: string): Promise<StatementProxy> {
  const target = new URL(databaseUrl);
  const waiting = new Set<Waiting>();
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const database = createConnection({ host: target.hostname, port: Number.parseInt(target.port, 10) });
    for (const [one, other] of [
      [client, database],
      [database, client],
    ] as const) {
      sockets.add(one);
      // A killed process leaves a broken session; the other half is to hear of it at once.
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    relay(client, database, waiting);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${address.port}`;
  return {
    url: url.href,
    hold: (hold) => new Promise((resolve) => waiting.add({ ...hold, reached: resolve })),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Passes one session's traffic on, statement by statement, until it comes to a hold. */
function relay(client: Socket, database: Socket, waiting: Set<Waiting>): void {
  const statements = createStatementReader();
  let inTransaction: Waiting | undefined;
  let held: Waiting | undefined;

  client.on("data", (chunk: Buffer) => {
    for (const statement of statements.read(chunk)) {
      if (held !== undefined) return;
      const isEnd = /^Q....(commit|rollback)\0/s.test(statement.toString("latin1"));
      const hold = isEnd ? inTransaction : findHold(waiting, statement);
      if (isEnd) inTransaction = undefined;
      if (hold !== undefined) waiting.delete(hold);
      if (hold?.at === "sent") {
        held = hold;
        hold.reached();
        return;
      }
      if (hold?.at === "committed" && !isEnd) inTransaction = hold;
      else held = hold;
      database.write(statement);
    }
  });
  database.on("data", (chunk: Buffer) => {
    if (held === undefined) client.write(chunk);
    else if (endsWithReady(chunk)) held.reached();
  });
}

function findHold(waiting: ReadonlySet<Waiting>, statement: Buffer): Waiting | undefined {
  const holds = [...waiting];
  return holds.find(({ statement: words, naming }) => [words, ...naming].every((text) => statement.includes(text)));
}

/** ReadyForQuery: the statement has been run to its end. */
function endsWithReady(chunk: Buffer): boolean {
  return chunk.length >= 6 && chunk.subarray(-6, -1).equals(Buffer.from("Z\0\0\0\x05", "latin1"));
}

/** Cuts what a client sends into whole statements, each with everything up to its Sync. */
function createStatementReader(): { read(chunk: Buffer): Buffer[] } {
  let rest = Buffer.alloc(0);
  let isStarted = false;
  let statementBytes = 0;
  return {
    read: (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      const whole: Buffer[] = [];
      for (;;) {
        // The first message of a session has no type.
        const typeBytes = isStarted ? 1 : 0;
        if (rest.length < statementBytes + typeBytes + 4) return whole;
        const type = isStarted ? String.fromCharCode(rest[statementBytes] ?? 0) : "start";
        const bytes = typeBytes + rest.readUInt32BE(statementBytes + typeBytes);
        if (rest.length < statementBytes + bytes) return whole;
        statementBytes += bytes;
        isStarted = true;
        if (isPart(type)) continue;
        whole.push(rest.subarray(0, statementBytes));
        rest = rest.subarray(statementBytes);
        statementBytes = 0;
      }
    },
  };
}

/** Parse, Bind, Describe, Execute and Close are parts of a statement that ends with its Sync. */
function isPart(type: string): boolean {
  return ["P", "B", "D", "E", "C"].includes(type);
}
