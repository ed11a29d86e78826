/** How a batcher gathers. */
export interface BatcherOptions<Row, Result> {
  /** Writes all rows in one statement; one result per row, in order. */
  readonly flush: (rows: readonly Row[]) => Promise<readonly Result[]>;
  /** Rows of one statement at most. */
  readonly rowsMax: number;
  /** Statements in flight at most. */
  readonly flightsMax: number;
  /** Rows waiting at most; one more is refused with `BatcherFullError`, which callers are told as `UNAVAILABLE`. */
  readonly waitingMax: number;
  /** Whether an error is one row's own fault, so that the others deserve a statement without it. */
  readonly isRowFault: (error: unknown) => boolean;
}

/** Writes rows together that arrive together. */
export interface Batcher<Row, Result> {
  add(row: Row): Promise<Result>;
}

/** More rows are waiting than the batcher may hold: the database does not keep up. */
export class BatcherFullError extends Error {
  override readonly name = "BatcherFullError";
}

interface Waiting<Row, Result> {
  readonly row: Row;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Natural batching: while statements are in flight the next rows gather, so a batch is as large as the load makes it and a
 * lone row waits for nobody. Gathering starts with `setImmediate`, which lets the requests of one network read join.
 */
export function createBatcher<Row, Result>(options: BatcherOptions<Row, Result>): Batcher<Row, Result> {
  let waiting: Waiting<Row, Result>[] = [];
  let flights = 0;
  let scheduled = false;

  const schedule = (): void => {
    if (scheduled || flights >= options.flightsMax || waiting.length === 0) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      const batch = waiting.length <= options.rowsMax ? waiting : waiting.slice(0, options.rowsMax);
      waiting = batch === waiting ? [] : waiting.slice(options.rowsMax);
      flights += 1;
      void send(batch).finally(() => {
        flights -= 1;
        schedule();
      });
      schedule();
    });
  };

  const send = async (batch: readonly Waiting<Row, Result>[]): Promise<void> => {
    try {
      const results = await options.flush(batch.map((entry) => entry.row));
      if (results.length !== batch.length) throw new Error("a batch answered another number of rows");
      for (const [index, entry] of batch.entries()) entry.resolve(results[index] as Result); // lengths agree, see above
    } catch (error) {
      if (batch.length > 1 && options.isRowFault(error)) {
        for (const entry of batch) await send([entry]);
        return;
      }
      for (const entry of batch) entry.reject(error);
    }
  };

  return {
    add: (row) =>
      new Promise<Result>((resolve, reject) => {
        if (waiting.length >= options.waitingMax) {
          reject(new BatcherFullError("too many rows wait for the database"));
          return;
        }
        waiting.push({ row, resolve, reject });
        schedule();
      }),
  };
}
