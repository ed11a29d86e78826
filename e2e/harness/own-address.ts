import { randomInt } from "node:crypto";
import { Agent, setGlobalDispatcher } from "undici";
import { beforeEach } from "vitest";

/*
 * The gateway counts sign-ins and refusals by the caller's address, thirty a minute. Each try of a test calls from an address of its
 * own, all of which are this machine, so that tests do not use up what others may.
 */
beforeEach(() => {
  const [second, third, fourth] = [randomInt(1, 255), randomInt(1, 255), randomInt(1, 255)];
  setGlobalDispatcher(new Agent({ localAddress: `127.${second}.${third}.${fourth}` }));
});
