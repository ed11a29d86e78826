import "@fastify/cookie";

declare module "fastify" {
  interface FastifyRequest {
    /** The exact bytes of the body, on routes with `config: { rawBody: true }`. */
    rawBody: Buffer | undefined;
    /** Where the request came from: the peer, or what a trusted proxy saw. */
    clientAddress: string;
  }
  interface FastifyContextConfig {
    /** Keep the bytes of the body for a signature check. */
    rawBody?: boolean;
  }
}
