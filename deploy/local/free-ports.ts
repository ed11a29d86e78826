import { createServer } from "node:net";

// Below the range from which Linux takes ports for outgoing connections (32768 and up): a port found free there may be gone
// before its program has started.
const firstPort = 20_000;
const lastPort = 31_999;
const blockSize = 40;
const blockCount = Math.floor((lastPort - firstPort + 1) / blockSize);

// Each process begins in a block of its own, so that two that look at once do not find the same ports.
let cursor = firstPort + (process.pid % blockCount) * blockSize;

/** Picks `count` different TCP ports of the loopback address that nobody listens on now. Never gives a port twice in a row. */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  for (let tries = 0; found.length < count; tries += 1) {
    if (tries > lastPort - firstPort) throw new Error(`fewer than ${count} ports are free`);
    const port = cursor;
    cursor = cursor === lastPort ? firstPort : cursor + 1;
    if (!(await isPortTaken("127.0.0.1", port))) found.push(port);
  }
  return found;
}

/** True when something listens on the port, or it may not be bound. */
export async function isPortTaken(host: string, port: number): Promise<boolean> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", () => resolve(true));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(false)));
  });
}
