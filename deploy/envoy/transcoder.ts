import type { Contract, ContractMethod, ContractService } from "./contract.ts";
import { queryFields } from "./contract.ts";
import { restBodyBytesMax } from "./gateway-options.ts";

/**
 * REST parameters that stand in the URL of a request that also has a body, by path. Every other query string on a body-carrying
 * route is dropped before transcoding, because Envoy would let it overwrite path variables and members of the body.
 */
export const queryBesideBody: Readonly<Record<string, readonly string[]>> = {
  "/api/mobile/auth/logout": ["revokeAll", "revoke_all"],
};

const transcoderType = "type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder";

/** The transcoder's configuration for some of the services of a contract. */
export function renderTranscoder(
  contract: Contract,
  services: readonly ContractService[],
  descriptorFile: string,
): Record<string, unknown> {
  return {
    "@type": transcoderType,
    proto_descriptor: descriptorFile,
    services: services.map((service) => service.descriptor.typeName),
    convert_grpc_status: true,
    ignore_unknown_query_parameters: true,
    ignored_query_parameters: ignoredQueryParameters(contract),
    // Pages and Connect calls pass through to their own routes.
    request_validation_options: {
      reject_unknown_method: false,
      reject_unknown_query_parameters: false,
      reject_binding_body_field_collisions: true,
    },
    print_options: {
      always_print_primitive_fields: true,
      always_print_enums_as_ints: false,
      preserve_proto_field_names: false,
    },
    // Without it the connection's buffer limit would cap bodies at 32 KiB.
    max_request_body_size: restBodyBytesMax,
    max_response_body_size: 4 * 1024 * 1024,
  };
}

/**
 * Names that a query string must never bind: the path variables of methods that are read from the URL alone. A parameter of
 * that name would overwrite the path (`GET /payments/p1?id=p2` reading p2). Throws an Error when the contract also declares such a name as a
 * query parameter elsewhere, for that parameter would silently be ignored. Routes with a body need no list: their query string is dropped.
 */
export function ignoredQueryParameters(contract: Contract): string[] {
  const ignored = new Map<string, ContractMethod>();
  const methods = contract.services.flatMap((service) => service.methods);
  for (const method of methods) {
    for (const binding of method.bindings) {
      if (binding.hasBody) continue;
      for (const variable of binding.pathVariables) ignored.set(variable, method);
    }
  }
  const names = new Set<string>();
  for (const variable of ignored.keys()) {
    names.add(variable);
    for (const method of methods) {
      const field = method.descriptor.input.fields.find((each) => each.name === variable);
      if (field !== undefined) names.add(field.jsonName);
    }
  }
  for (const method of methods) refuseIgnoredParameter(method, ignored);
  return [...names].sort();
}

function refuseIgnoredParameter(method: ContractMethod, ignored: ReadonlyMap<string, ContractMethod>): void {
  for (const binding of method.bindings) {
    for (const field of queryFields(method, binding)) {
      const isPathElsewhere = method.bindings.some((other) => other.pathVariables.includes(field.name));
      if (ignored.has(field.name) && !isPathElsewhere) {
        throw new Error(
          `${method.rpcPath} declares query parameter "${field.name}", a path variable of ${ignored.get(field.name)?.rpcPath}: rename one`,
        );
      }
    }
  }
}
