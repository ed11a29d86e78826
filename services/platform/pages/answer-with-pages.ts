import type { FastifyInstance } from "fastify";
import { type ErrorTable, errorBody, translateError } from "../errors/error-table.ts";
import { httpErrors, reasonOfHttpError } from "../http/http-errors.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Brand } from "./brand.ts";
import { type ErrorPageMore, errorPage } from "./error-page.ts";
import { sendPage } from "./send-page.ts";

/** Makes errors on the routes of this scope pages; the other routes of the port, and whoever asked for no page, keep their JSON. */
export function answerWithPages(
  pages: FastifyInstance,
  options: ErrorPageMore & {
    readonly brand: Brand;
    readonly errorTable: ErrorTable;
    readonly log: Pick<Logger, "error">;
  },
): void {
  const { brand, log } = options;
  const table = { ...httpErrors, ...options.errorTable };
  pages.setErrorHandler((thrown, request, reply) => {
    const told = translateError(table, reasonOfHttpError(thrown));
    if (told.http >= 500) log.error({ err: thrown, requestId: request.id, reason: told.reason }, "page failed");
    const retryAfterSeconds = told.members["retryAfterSeconds"];
    if (typeof retryAfterSeconds === "number") reply.header("retry-after", String(Math.ceil(retryAfterSeconds)));
    if (!(request.headers.accept ?? "").includes("text/html")) {
      return reply.code(told.http).type("application/json; charset=utf-8").send(errorBody(told));
    }
    const { reason, http: status, message } = told;
    const page = errorPage(brand, { reason, status, message, requestId: request.id }, options);
    return sendPage(reply, page, { status, formTarget: "none" });
  });
}
