import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a bank does wrong with one call. */
export interface Fault {
  /** Waits first; the act comes after the wait. */
  readonly delayMs?: number;
  /** Waits for this as well. */
  readonly until?: Promise<void>;
  /** Whether the bank's books change; true when absent. */
  readonly acts?: boolean;
  /** `destroy` cuts the connection, `hang` never answers; else this answer in place of the true one. */
  readonly answers?: "destroy" | "hang" | { readonly status: number; readonly body: string };
}

/** One hold in the bank's books, in cents. */
export interface Hold {
  readonly key: string;
  readonly code: string;
  readonly amount: number;
  readonly merchantId: string;
  state: "PENDING" | "CAPTURED" | "VOIDED";
  captured: number;
  refunded: number;
}

/** One call as it arrived. */
export interface SeenCall {
  readonly path: string;
  readonly key: string | undefined;
  readonly apiKey: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

type Path = "authorize" | "capture" | "void" | "refund";

/**
 * A bank's payment network over real HTTP with books of its own, whose faults a test scripts: delays, answers lost after
 * the act, errors, nonsense. A card token `decline:<reason>` is declined.
 */
export class ScriptableBank {
  readonly calls: SeenCall[] = [];
  readonly holds: Hold[] = [];
  /** Whether the bank replays its answer by Idempotency-Key and takes `void` by key. */
  readonly capable: boolean;
  readonly #faults: Record<Path, Fault[]> = { authorize: [], capture: [], void: [], refund: [] };
  readonly #answers = new Map<string, string>();
  readonly #tombstones = new Set<string>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  #codes = 0;

  constructor(options: { readonly capable?: boolean } = {}) {
    this.capable = options.capable ?? true;
  }

  /** Starts on a free port, or on the one given; gives the API base URL. */
  async start(port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    return `http://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port; // listening on TCP
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The next calls of this kind go wrong like this, one fault each. */
  next(path: Path, ...faults: readonly Fault[]): void {
    this.#faults[path].push(...faults);
  }

  /** Forgets faults that no call has met and the calls seen so far; a race may leave some behind. */
  settle(): void {
    for (const faults of Object.values(this.#faults)) faults.length = 0;
    this.calls.length = 0;
  }

  /** Holds still taken from a customer. */
  get pending(): readonly Hold[] {
    return this.holds.filter((hold) => hold.state === "PENDING");
  }

  callsTo(path: Path): readonly SeenCall[] {
    return this.calls.filter((call) => call.path === path);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "").split("/").at(-1) as Path; // unknown ones are answered below
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer); // streams without encoding give buffers
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>; // the Router sends objects
    const key = headerOf(request, "idempotency-key");
    this.calls.push({ path, key, apiKey: headerOf(request, "x-api-key"), body });
    const fault = this.#faults[path]?.shift() ?? {};
    if (fault.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
    await fault.until;
    const answer = fault.acts === false ? "{}" : this.#act(path, key, body);
    if (fault.answers === "hang") return;
    if (fault.answers === "destroy") {
      request.socket.destroy();
      return;
    }
    response.writeHead(fault.answers?.status ?? 200, { "content-type": "application/json" });
    response.end(fault.answers?.body ?? answer);
  }

  #act(path: Path, key: string | undefined, body: Readonly<Record<string, unknown>>): string {
    const replay = this.capable && key !== undefined ? this.#answers.get(`${path} ${key}`) : undefined;
    if (replay !== undefined) return replay;
    const answer = JSON.stringify(this.#decide(path, key, body));
    if (key !== undefined) this.#answers.set(`${path} ${key}`, answer);
    return answer;
  }

  #decide(path: Path, key: string | undefined, body: Readonly<Record<string, unknown>>): object {
    switch (path) {
      case "authorize":
        return this.#authorize(key ?? "", body);
      case "capture":
        return this.#capture(body);
      case "void":
        return this.#void(body);
      case "refund":
        return this.#refund(body);
      default:
        return { error: "no such path" };
    }
  }

  #authorize(key: string, body: Readonly<Record<string, unknown>>): object {
    const token = String(body["cardToken"]);
    if (token.startsWith("decline:")) return { status: "declined", declineReason: token.slice("decline:".length) };
    if (this.#tombstones.has(key)) return { status: "declined", declineReason: "Invalid card token" };
    this.#codes += 1;
    const code = `AUTH-${this.#codes.toString(16).toUpperCase().padStart(8, "0")}`;
    const amount = cents(body["amount"]);
    const merchantId = String(body["merchantId"]);
    this.holds.push({ key, code, amount, merchantId, state: "PENDING", captured: 0, refunded: 0 });
    return { status: "approved", authorizationCode: code, availableCredit: 1 };
  }

  #capture(body: Readonly<Record<string, unknown>>): object {
    const hold = this.#holdOf(body);
    if (hold === undefined) return { success: false, error: "Authorization not found" };
    if (hold.state !== "PENDING") return { success: false, error: `Authorization is ${hold.state.toLowerCase()}` };
    if (cents(body["amount"]) > hold.amount) return { success: false, error: "too much" };
    hold.state = "CAPTURED";
    hold.captured = cents(body["amount"]);
    return { success: true };
  }

  #void(body: Readonly<Record<string, unknown>>): object {
    const key = body["idempotencyKey"];
    if (typeof key === "string" && this.capable) {
      this.#tombstones.add(key);
      for (const hold of this.holds) if (hold.key === key && hold.state === "PENDING") hold.state = "VOIDED";
      return { success: true };
    }
    const hold = this.#holdOf(body);
    if (hold === undefined) return { success: false, error: "Authorization not found" };
    if (hold.state !== "PENDING") return { success: false, error: `Authorization is ${hold.state.toLowerCase()}` };
    hold.state = "VOIDED";
    return { success: true };
  }

  #refund(body: Readonly<Record<string, unknown>>): object {
    const hold = this.#holdOf(body);
    if (hold?.state !== "CAPTURED") return { success: false, error: "Can only refund captured payments" };
    if (hold.refunded + cents(body["amount"]) > hold.captured) return { success: false, error: "Nothing to refund" };
    hold.refunded += cents(body["amount"]);
    return { success: true };
  }

  #holdOf(body: Readonly<Record<string, unknown>>): Hold | undefined {
    return this.holds.find((hold) => hold.code === body["authorizationCode"]);
  }
}

function cents(amount: unknown): number {
  return Math.round(Number(amount) * 100);
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
