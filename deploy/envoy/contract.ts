import type { DescMessage, DescMethod, DescService, FileRegistry } from "@bufbuild/protobuf";
import { createFileRegistry, fromBinary, getOption, hasOption } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { http as httpOption } from "../../gen/es/google/api/annotations_pb.js";
import type { HttpRule } from "../../gen/es/google/api/http_pb.js";
import {
  Audience,
  type MethodPolicy,
  method as methodOption,
  Surface,
  service as serviceOption,
} from "../../gen/es/paymesh/policy/v1/policy_pb.js";

/** The verb of a REST binding, upper case. */
export type HttpVerb = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One REST way into a method. */
export interface Binding {
  readonly verb: HttpVerb;
  /** As the contract writes it: `/api/v1/payments/{id}/capture`. */
  readonly path: string;
  /** Proto names of the path's variables, in order. */
  readonly pathVariables: readonly string[];
  /** True when the request body is the message (`body: "*"`). */
  readonly hasBody: boolean;
}

/** One method of the contract with what gateway and documentation need of it. */
export interface ContractMethod {
  readonly service: ContractService;
  readonly descriptor: DescMethod;
  /** The HTTP/2 path: `/paymesh.router.v1.Router/Authorize`. */
  readonly rpcPath: string;
  readonly bindings: readonly Binding[];
  readonly policy: MethodPolicy;
  /** False for methods that other services alone may call: those are never routed by the gateway. */
  readonly isOuter: boolean;
}

/** The host name family of a service, lower case: `wallet`, `nsim`, `registry`, `credential`, `p2p`. */
export type SurfaceName = "wallet" | "nsim" | "registry" | "credential" | "p2p";

/** One service of the contract. */
export interface ContractService {
  readonly descriptor: DescService;
  /** The mesh's name of the process: `router`. */
  readonly name: string;
  readonly surface: SurfaceName;
  readonly methods: readonly ContractMethod[];
}

/** The whole contract, services ordered by name. */
export interface Contract {
  readonly registry: FileRegistry;
  readonly services: readonly ContractService[];
}

/**
 * Reads a serialized FileDescriptorSet. Throws an Error naming the method when one lacks a policy, binds a method in a way the
 * gateway does not serve, or a service lacks its surface: such a contract must not be rendered.
 */
export function readContract(descriptorSet: Uint8Array): Contract {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  const services: ContractService[] = [];
  for (const file of registry.files) {
    if (!file.proto.package.startsWith("paymesh.")) continue;
    for (const descriptor of file.services) services.push(readService(descriptor));
  }
  services.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { registry, services };
}

function readService(descriptor: DescService): ContractService {
  const methods: ContractMethod[] = [];
  const service = { descriptor, name: descriptor.name.toLowerCase(), surface: readSurface(descriptor), methods };
  for (const method of descriptor.methods) methods.push(readMethod(service, method));
  return service;
}

function readSurface(descriptor: DescService): SurfaceName {
  const surface = hasOption(descriptor, serviceOption)
    ? getOption(descriptor, serviceOption).surface
    : Surface.UNSPECIFIED;
  switch (surface) {
    case Surface.WALLET:
      return "wallet";
    case Surface.NSIM:
      return "nsim";
    case Surface.REGISTRY:
      return "registry";
    case Surface.CREDENTIAL:
      return "credential";
    case Surface.P2P:
      return "p2p";
    case Surface.UNSPECIFIED:
      throw new Error(`${descriptor.typeName} has no surface`);
    default: {
      const impossible: never = surface;
      throw new Error(`unreachable surface ${String(impossible)}`);
    }
  }
}

function readMethod(service: ContractService, descriptor: DescMethod): ContractMethod {
  const name = `${service.descriptor.typeName}/${descriptor.name}`;
  if (!hasOption(descriptor, methodOption)) throw new Error(`${name} has no policy`);
  const policy = getOption(descriptor, methodOption);
  if (policy.audiences.length === 0) throw new Error(`${name} names no audience`);
  const isOuter = policy.audiences.some((audience) => audience !== Audience.SERVICE);
  const bindings = hasOption(descriptor, httpOption) ? readBindings(name, getOption(descriptor, httpOption)) : [];
  if (!isOuter && bindings.length > 0) throw new Error(`${name} is for services alone and may have no REST binding`);
  return { service, descriptor, rpcPath: `/${name}`, bindings, policy, isOuter };
}

function readBindings(name: string, rule: HttpRule): Binding[] {
  return [rule, ...rule.additionalBindings].map((each) => {
    const { verb, path } = readPattern(name, each);
    if (each.body !== "" && each.body !== "*") throw new Error(`${name}: body "${each.body}" is not served, use "*"`);
    if (each.responseBody !== "") throw new Error(`${name}: response_body is not served by the gateway`);
    const pathVariables = [...path.matchAll(/\{([^}]*)\}/g)].map((match) => match[1] ?? "");
    const odd = pathVariables.find((variable) => !/^[a-z][a-z0-9_]*$/.test(variable));
    if (odd !== undefined) throw new Error(`${name}: path variable {${odd}} must be a plain field name`);
    return { verb, path, pathVariables, hasBody: each.body === "*" };
  });
}

function readPattern(name: string, rule: HttpRule): { verb: HttpVerb; path: string } {
  switch (rule.pattern.case) {
    case "get":
      return { verb: "GET", path: rule.pattern.value };
    case "post":
      return { verb: "POST", path: rule.pattern.value };
    case "put":
      return { verb: "PUT", path: rule.pattern.value };
    case "patch":
      return { verb: "PATCH", path: rule.pattern.value };
    case "delete":
      return { verb: "DELETE", path: rule.pattern.value };
    default:
      throw new Error(`${name}: binding of kind "${String(rule.pattern.case)}" is not served`);
  }
}

/** Fields of a request that a binding reads from the query string: those not in the path, when the body is not the message. */
export function queryFields(method: ContractMethod, binding: Binding): DescMessage["fields"] {
  if (binding.hasBody) return [];
  return method.descriptor.input.fields.filter((field) => !binding.pathVariables.includes(field.name));
}
