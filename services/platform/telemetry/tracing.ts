import { type Context, context, propagation, ROOT_CONTEXT, type Span, SpanKind, trace } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";

const propagator = new W3CTraceContextPropagator();
let enabled = false;

export interface TracingOptions {
  readonly service: string;
  /** OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`; no spans are made when absent. */
  readonly endpoint: string | undefined;
  /** Share of new traces recorded, 0 to 1; a caller's decision is kept. */
  readonly sampleRatio: number;
}

/** Starts exporting spans. Returns what flushes and stops them. */
export function startTracing(options: TracingOptions): { stop(): Promise<void> } {
  if (options.endpoint === undefined) return { stop: async () => {} };
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": `paymesh-${options.service}` }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(options.sampleRatio) }),
    spanProcessors: [
      new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url: options.endpoint, timeoutMillis: 5_000 }) }),
    ],
  });
  trace.setGlobalTracerProvider(provider);
  propagation.setGlobalPropagator(propagator);
  enabled = true;
  return {
    stop: async () => {
      enabled = false;
      await provider.shutdown();
      // Or the next start of this process would find its place taken.
      trace.disable();
      propagation.disable();
    },
  };
}

/** A span in flight, and the `traceparent` that calls made under it carry. */
export interface TraceScope {
  readonly traceparent: string | undefined;
  end(code: string): void;
}

/** Opens the span of one incoming call. Costs a comparison while tracing is off; the caller's trace is passed on then. */
export function openTrace(name: string, incomingTraceparent: string | undefined): TraceScope {
  if (!enabled) return { traceparent: incomingTraceparent, end: () => {} };
  const parent: Context = propagator.extract(
    ROOT_CONTEXT,
    { traceparent: incomingTraceparent },
    { get: (carrier, key) => carrier[key as "traceparent"], keys: () => ["traceparent"] },
  );
  const span: Span = trace.getTracer("paymesh").startSpan(name, { kind: SpanKind.SERVER }, parent);
  const carrier: { traceparent?: string } = {};
  propagator.inject(trace.setSpan(context.active(), span), carrier, {
    set: (target, key, value) => {
      if (key === "traceparent") target.traceparent = value;
    },
  });
  return {
    traceparent: carrier.traceparent,
    end: (code) => {
      span.setAttribute("rpc.grpc.status_code", code);
      span.end();
    },
  };
}
