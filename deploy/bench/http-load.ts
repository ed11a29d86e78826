import { connect, type Socket } from "node:net";

export interface LoadOptions {
  readonly host: string;
  readonly port: number;
  /** Keep-alive connections, each with one request in flight. */
  readonly connections: number;
  readonly durationMs: number;
  /** Requests begin at this rate over all connections; as fast as answers come when absent. */
  readonly ratePerSecond?: number;
  /** The next request, whole, in HTTP/1.1; undefined ends the load early. */
  next(): Buffer | undefined;
  /** Whether an answer's body is what a request should get; counted as wrong otherwise. */
  accept(status: number, body: string): boolean;
}

/** What a load saw. Latencies run from the moment a request was due, so a stall counts against every request it delays. */
export interface LoadResult {
  readonly count: number;
  readonly wrong: number;
  readonly firstWrong: string | undefined;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Drives HTTP/1.1 over raw sockets: about a fifth of the CPU of a full client, so that the measured side keeps its cores. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const latencies: number[] = [];
  const startedAt = performance.now();
  const pace = pacing(options.ratePerSecond, startedAt);
  let wrong = 0;
  let firstWrong: string | undefined;
  const record = (dueAt: number, status: number, body: string): void => {
    latencies.push(performance.now() - dueAt);
    if (options.accept(status, body)) return;
    wrong += 1;
    firstWrong ??= `${status} ${body.slice(0, 300)}`;
  };
  const until = startedAt + options.durationMs;
  await Promise.all(Array.from({ length: options.connections }, () => drive(options, until, pace, record)));
  const seconds = (performance.now() - startedAt) / 1000;
  return { count: latencies.length, wrong, firstWrong, seconds, ...latencyShares(latencies) };
}

/** The middle, the 99th percentile and the highest of latencies, whose order is lost; zeros of none. */
export function latencyShares(latencies: number[]): Pick<LoadResult, "p50Ms" | "p99Ms" | "maxMs"> {
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

/** When the next request is due: now, or its place in a steady schedule. */
function pacing(ratePerSecond: number | undefined, startedAt: number): () => number {
  if (ratePerSecond === undefined) return () => performance.now();
  let sent = 0;
  return () => startedAt + (sent++ * 1000) / ratePerSecond;
}

async function drive(
  options: LoadOptions,
  until: number,
  pace: () => number,
  record: (dueAt: number, status: number, body: string) => void,
): Promise<void> {
  const socket = connect({ host: options.host, port: options.port, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  const answers = new AnswerReader(socket);
  for (;;) {
    const dueAt = pace();
    if (dueAt >= until) break;
    const waitMs = dueAt - performance.now();
    if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const request = options.next();
    if (request === undefined) break;
    socket.write(request);
    const { status, body } = await answers.read();
    record(dueAt, status, body);
  }
  socket.destroy();
}

/** Reads one answer at a time from a socket; `content-length` framing, which the gateway uses for every body here. */
class AnswerReader {
  #received: Buffer = Buffer.alloc(0);
  #waiting: { resolve: (answer: { status: number; body: string }) => void; reject: (cause: Error) => void } | undefined;

  constructor(socket: Socket) {
    socket.on("data", (chunk) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#deliver();
    });
    const fail = (): void => this.#waiting?.reject(new Error("the gateway closed a connection"));
    socket.on("close", fail);
    socket.on("error", fail);
  }

  read(): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#deliver();
    });
  }

  #deliver(): void {
    const headEnd = this.#received.indexOf("\r\n\r\n");
    if (headEnd < 0 || this.#waiting === undefined) return;
    const head = this.#received.toString("latin1", 0, headEnd);
    const length = Number.parseInt(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? "0", 10);
    const end = headEnd + 4 + length;
    if (this.#received.length < end) return;
    const answer = {
      status: Number.parseInt(head.slice(9, 12), 10),
      body: this.#received.toString("utf8", headEnd + 4, end),
    };
    this.#received = this.#received.subarray(end);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting.resolve(answer);
  }
}
