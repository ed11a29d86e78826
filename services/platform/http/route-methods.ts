import type { FastifyInstance } from "fastify";

/**
 * Watches the routes as they are added and tells which methods a path answers, so that a wrong method gets 405 with `allow`
 * instead of a 404. Call before the first route. Returned function: methods of the path without query, empty when unknown.
 */
export function watchRouteMethods(app: FastifyInstance): (path: string) => readonly string[] {
  const routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];
  app.addHook("onRoute", (route) => {
    if (route.url === "*" || route.url.endsWith("/*")) return;
    routes.push({ pattern: patternOf(route.url), methods: [route.method].flat() });
  });
  return (path) => [...new Set(routes.filter((each) => each.pattern.test(path)).flatMap((each) => each.methods))];
}

function patternOf(url: string): RegExp {
  const segments = url
    .split("/")
    .map((segment) => (segment.startsWith(":") ? "[^/]+" : segment.replace(/[^A-Za-z0-9_-]/g, "\\$&")));
  return new RegExp(`^${segments.join("/")}$`);
}
