import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";

/**
 * Opens what the tests of a file share, before the first, and closes it after the last with what `open` returned. When a try of a test
 * has failed, what it left behind is anybody's guess: it is closed, and opened anew for the next try. Called first in a file, so
 * that other hooks find it open; not for files whose groups of tests keep something of it for themselves.
 */
export function setUp(open: () => Promise<() => Promise<unknown>>): void {
  let close: (() => Promise<unknown>) | undefined;
  let hasFailed = false;
  beforeAll(async () => {
    close = await open();
  });
  beforeEach(async () => {
    if (!hasFailed) return;
    hasFailed = false;
    await close?.();
    close = undefined;
    close = await open();
  });
  afterEach(({ task }) => {
    hasFailed = task.result?.state === "fail";
  });
  afterAll(() => close?.());
}
