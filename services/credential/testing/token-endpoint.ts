import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** How the endpoint takes the next login. */
export type LoginAnswer = "token" | "refused" | "unavailable" | "lost";

/** A provider's partner login over real HTTP, scripted: which answers it gives, and how slowly. */
export interface TokenEndpoint {
  readonly url: string;
  /** Answers to come, in order; then the password decides. */
  readonly script: LoginAnswer[];
  password: string;
  delayMs: number;
  /** What every login waits for besides. */
  until: Promise<void> | undefined;
  /** Logins that arrived. */
  logins(): number;
  /** Logins refused in a row, as a provider counts that locks its partner. */
  refusedInARow(): number;
  /** The most logins that were under way at once. */
  atOnceMax(): number;
  close(): Promise<void>;
}

/** Starts it on a free port. */
export async function startTokenEndpoint(): Promise<TokenEndpoint> {
  let [logins, refused, atOnce, atOnceMax] = [0, 0, 0, 0];
  const script: LoginAnswer[] = [];
  const state: Pick<TokenEndpoint, "password" | "delayMs" | "until"> = {
    password: "right",
    delayMs: 0,
    until: undefined,
  };
  const server = createServer(async (request, response) => {
    logins += 1;
    atOnce += 1;
    atOnceMax = Math.max(atOnceMax, atOnce);
    const given = await textOf(request);
    await new Promise((resolve) => setTimeout(resolve, state.delayMs));
    await state.until;
    atOnce -= 1;
    const answer = script.shift() ?? (given === state.password ? "token" : "refused");
    if (answer === "token") refused = 0;
    if (answer === "refused") refused += 1;
    if (answer === "lost") {
      response.destroy();
      return;
    }
    const status = answer === "token" ? 200 : answer === "refused" ? 401 : 503;
    response.writeHead(status, { "content-type": "text/plain" }).end(answer === "token" ? `token-${logins}` : answer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server that listens
  return Object.assign(state, {
    url: `http://127.0.0.1:${port}/login`,
    script,
    logins: () => logins,
    refusedInARow: () => refused,
    atOnceMax: () => atOnceMax,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}
