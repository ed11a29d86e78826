-- The gateway's last word on REST: it stands before the transcoder, so requests pass it untranscoded and responses pass it
-- after the transcoder wrote them. Native gRPC and gRPC-Web answers go through untouched.
-- QUERY_BESIDE_BODY and TOKEN_IN_QUERY_PATH are put in front of this file by the renderer.

-- The REST word of a gRPC status, where the service named none.
local words = {
  ["1"] = "cancelled", ["2"] = "server_error", ["3"] = "bad_request", ["4"] = "timeout", ["5"] = "not_found",
  ["6"] = "conflict", ["7"] = "forbidden", ["8"] = "rate_limit_exceeded", ["9"] = "bad_request", ["10"] = "conflict",
  ["11"] = "bad_request", ["12"] = "server_error", ["13"] = "server_error", ["14"] = "unavailable",
  ["15"] = "server_error", ["16"] = "unauthorized",
}

local carries_body = { POST = true, PUT = true, PATCH = true }

local function starts_with(text, start)
  return string.sub(text, 1, #start) == start
end

-- With `names` only those stay: the contract puts few parameters beside a body, and any other could overwrite path and body.
-- Names written with % go always: the transcoder decodes them after it looked at the list of names to ignore.
local function kept_query(query, names)
  local kept = {}
  for pair in string.gmatch(query, "[^&]+") do
    local name = string.match(pair, "^[^=]*")
    local is_plain = not string.find(name, "%", 1, true)
    if is_plain and (names == nil or names[name]) then kept[#kept + 1] = pair end
  end
  if #kept == 0 then return "" end
  return "?" .. table.concat(kept, "&")
end

local connector_paths = { "/api/connectors/", "/api/open-banking/", "/api/v1/integrations/" }

-- Callers of old put the access token itself into the address of these.
local function names_a_token(bare, query)
  local is_connector = false
  for _, start in ipairs(connector_paths) do is_connector = is_connector or starts_with(bare, start) end
  if not is_connector then return false end
  for pair in string.gmatch(query, "[^&]+") do
    local name = string.gsub(string.lower(string.match(pair, "^[^=]*")), "_", "")
    if name == "accesstoken" then return true end
  end
  return false
end

function envoy_on_request(handle)
  local headers = handle:headers()
  headers:remove("x-http-status")
  headers:remove("x-error-code")
  headers:remove("x-error-members")
  headers:remove("x-refused-path")
  local path = headers:get(":path")
  if path == nil then return end
  local bare, query = string.match(path, "^([^?]*)%??(.*)$")
  if starts_with(bare, "/paymesh.") then
    -- Connect and gRPC bring errors in their own forms.
    handle:streamInfo():dynamicMetadata():set("paymesh", "is_rpc", true)
    return
  end
  if query ~= "" and names_a_token(bare, query) then
    -- The value ends here: nothing behind the gateway sees it.
    headers:replace("x-refused-path", bare)
    headers:replace(":path", TOKEN_IN_QUERY_PATH)
    handle:clearRouteCache()
    return
  end
  if query ~= "" and starts_with(bare, "/api/") then
    local names = nil
    if carries_body[headers:get(":method")] then names = QUERY_BESIDE_BODY[bare] or {} end
    headers:replace(":path", bare .. kept_query(query, names))
  end
  local renamed = handle:filterContext():get(bare)
  if renamed ~= nil then
    headers:replace(":path", renamed)
    handle:clearRouteCache()
  end
end

-- Members of `x-error-members` (a JSON object) as text to stand beside `error`; nothing when it is not an object.
local function members_text(value)
  if value == nil or #value > 2048 then return "" end
  local inner = string.match(value, "^%s*{(.*)}%s*$")
  if inner == nil or string.match(inner, "^%s*$") then return "" end
  return inner .. ","
end

-- `{"code":5,"message":"...","details":[]}`, as the transcoder writes it, with `error` and further members in front.
local function error_body(text, code, members)
  local number = string.match(text, '^{"code":(%d+)')
  if number == nil then return nil end
  local word = code or words[number] or "server_error"
  if string.find(word, '[%c"\\]') then word = words[number] or "server_error" end
  return '{"error":"' .. word .. '",' .. members_text(members) .. string.sub(text, 2)
end

local function strip(headers)
  for _, name in ipairs({ "x-http-status", "x-error-code", "x-error-members", "grpc-status", "grpc-message",
    "grpc-encoding", "grpc-accept-encoding", "grpc-status-details-bin" }) do
    headers:remove(name)
  end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local about = handle:streamInfo():dynamicMetadata():get("paymesh")
  if about ~= nil and about["is_rpc"] then
    headers:remove("x-http-status")
    return
  end
  local override = headers:get("x-http-status")
  local code = headers:get("x-error-code")
  local members = headers:get("x-error-members")
  local content_type = headers:get("content-type") or ""
  local is_failure = tonumber(headers:get(":status")) >= 400 and starts_with(content_type, "application/json")
  strip(headers)
  if override ~= nil and string.match(override, "^[2-5]%d%d$") then headers:replace(":status", override) end
  if is_failure then
    local body = handle:body(true)
    local shaped = error_body(body:getBytes(0, body:length()), code, members)
    if shaped == nil then return end
    local size = body:setBytes(shaped)
    -- The handle taken before body() is dead by now.
    handle:headers():replace("content-length", tostring(size))
  elseif override == "204" then
    handle:body(true):setBytes("")
    headers = handle:headers()
    headers:remove("content-type")
    headers:remove("content-length")
  end
end
