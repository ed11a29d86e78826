import type { IncomingMessage, ServerResponse } from "node:http";
import type { Attributes } from "@opentelemetry/api";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";

/** One meter per process, read by the `/metrics` route of its admin port. */
const exporter = new PrometheusExporter({ preventServerStart: true, prefix: "paymesh" });
const provider = new MeterProvider({ readers: [exporter] });
const meter = provider.getMeter("paymesh");

/** A number that only grows. Name in snake_case without prefix or unit suffix. */
export interface Counter {
  add(value: number, attributes?: Attributes): void;
}

/** A distribution of values. */
export interface Histogram {
  record(value: number, attributes?: Attributes): void;
}

/** Registers a counter; Prometheus shows it as `paymesh_<name>_total`. */
export function counter(name: string, help: string): Counter {
  return meter.createCounter(name, { description: help });
}

/** A number that goes up and down. */
export interface Gauge {
  record(value: number, attributes?: Attributes): void;
}

/** Registers a gauge; Prometheus shows the last value recorded as `paymesh_<name>`. */
export function gauge(name: string, help: string): Gauge {
  return meter.createGauge(name, { description: help });
}

/** Durations in seconds from 1 ms to 30 s; what requests and calls to banks need. */
export const durationBuckets: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/** Registers a histogram of durations in seconds; Prometheus shows it as `paymesh_<name>_seconds`. */
export function histogram(name: string, help: string, buckets: readonly number[] = durationBuckets): Histogram {
  // The exporter adds no unit to a name by itself.
  const options = { description: help, unit: "s", advice: { explicitBucketBoundaries: [...buckets] } };
  return meter.createHistogram(`${name}_seconds`, options);
}

/** Answers a scrape in the Prometheus text format. */
export function writeMetrics(request: IncomingMessage, response: ServerResponse): void {
  exporter.getMetricsRequestHandler(request, response);
}
