import { renderLocalPage } from "./local-pages.ts";

type Json = Record<string, unknown>;

/** What the gateway says in its own name, by HTTP status: REST word, gRPC code and text. */
const replies: readonly { status: number; error: string; code: number; message: string }[] = [
  { status: 400, error: "bad_request", code: 3, message: "The request could not be read" },
  { status: 401, error: "unauthorized", code: 16, message: "A valid access token is required" },
  { status: 403, error: "forbidden", code: 7, message: "Not allowed" },
  { status: 404, error: "not_found", code: 5, message: "No such route" },
  { status: 408, error: "timeout", code: 4, message: "The request took too long to arrive" },
  { status: 413, error: "payload_too_large", code: 3, message: "The request body is too large" },
  { status: 415, error: "bad_request", code: 3, message: "This content type is not served here" },
  { status: 426, error: "bad_request", code: 3, message: "This protocol version is not served" },
  { status: 429, error: "rate_limit_exceeded", code: 8, message: "Too many requests" },
  { status: 431, error: "bad_request", code: 3, message: "The request headers are too large" },
  { status: 500, error: "server_error", code: 13, message: "The gateway failed" },
  { status: 502, error: "unavailable", code: 14, message: "The service gave no usable answer" },
  { status: 503, error: "unavailable", code: 14, message: "The service is not available, try again" },
  { status: 504, error: "timeout", code: 4, message: "The service did not answer in time" },
];

/**
 * Envoy's own answers in our shape. Texts are fixed: Envoy's would quote pieces of the request body, and with them secrets.
 * Clients that speak gRPC get the text alone, as their status message; a browser that asks for a document gets a page.
 */
export function renderLocalReplies(): Json {
  return {
    mappers: replies.flatMap((reply) => [
      renderGrpc(reply),
      ...renderLocalPage(reply.status, statusIs(reply.status)),
      renderJson(reply),
    ]),
  };
}

function renderGrpc(reply: (typeof replies)[number]): Json {
  const isGrpc = {
    header_filter: { header: { name: "content-type", string_match: { prefix: "application/grpc" } } },
  };
  // The transcoder has given REST requests the content type of gRPC by now, and noted their path.
  const isNotTranscoded = {
    header_filter: { header: { name: "x-envoy-original-path", present_match: true, invert_match: true } },
  };
  return {
    filter: { and_filter: { filters: [statusIs(reply.status), isGrpc, isNotTranscoded] } },
    body_format_override: { text_format_source: { inline_string: reply.message } },
  };
}

function renderJson({ status, error, message, code }: (typeof replies)[number]): Json {
  return {
    filter: statusIs(status),
    body_format_override: {
      // Written out by hand: a structured format would sort the members and print numbers as text.
      text_format_source: {
        inline_string: JSON.stringify({ error, message, code, details: [] }),
      },
      content_type: "application/json",
    },
  };
}

function statusIs(status: number): Json {
  return {
    status_code_filter: {
      comparison: { op: "EQ", value: { default_value: status, runtime_key: "paymesh.local_reply" } },
    },
  };
}
