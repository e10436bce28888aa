extension OpenAPIComponents {
  static let parameters = """
    {
      "path.deviceId": {
        "name": "deviceId", "in": "path", "required": true,
        "description": "The device's ID.", "schema": { "$ref": "#/components/schemas/ID" }
      },
      "path.moduleId": {
        "name": "moduleId", "in": "path", "required": true,
        "description": "The module's ID.", "schema": { "$ref": "#/components/schemas/ID" }
      },
      "path.lockToken": {
        "name": "lockToken", "in": "path", "required": true,
        "description": "The lock from the header ETag, without quotes.",
        "schema": { "type": "string", "format": "uuid" }
      },
      "path.certificateName": {
        "name": "certificateName", "in": "path", "required": true,
        "description": "The authority's name.", "schema": { "$ref": "#/components/schemas/Name" }
      },
      "path.enrollmentId": {
        "name": "enrollmentId", "in": "path", "required": true,
        "description": "The registration ID of an individual enrollment, or the group's name.",
        "schema": { "$ref": "#/components/schemas/RegistrationID" }
      },
      "path.registrationId": {
        "name": "registrationId", "in": "path", "required": true,
        "description": "The device's registration ID.",
        "schema": { "$ref": "#/components/schemas/RegistrationID" }
      },
      "path.idScope": {
        "name": "idScope", "in": "path", "required": true,
        "description": "The ID scope of the provisioning service.",
        "schema": { "type": "string" }
      },
      "path.operationId": {
        "name": "operationId", "in": "path", "required": true,
        "description": "The operation, as the registration was answered.",
        "schema": { "type": "string" }
      },
      "path.faultName": {
        "name": "faultName", "in": "path", "required": true,
        "description": "The fault's name, of the tester's choice.",
        "schema": { "type": "string", "pattern": "^[a-z0-9'-]{1,64}$" }
      },
      "path.policyName": {
        "name": "policyName", "in": "path", "required": true,
        "description": "The policy's name.", "schema": { "$ref": "#/components/schemas/Name" }
      },
      "path.configurationId": {
        "name": "configurationId", "in": "path", "required": true,
        "description": "The configuration's ID.",
        "schema": { "$ref": "#/components/schemas/ConfigurationID" }
      },
      "path.jobId": {
        "name": "jobId", "in": "path", "required": true,
        "description": "The job's ID.", "schema": { "$ref": "#/components/schemas/JobID" }
      },
      "path.commandName": {
        "name": "commandName", "in": "path", "required": true,
        "description": "The command's name.", "schema": { "type": "string" }
      },
      "path.componentPath": {
        "name": "componentPath", "in": "path", "required": true,
        "description": "The component's name.", "schema": { "type": "string" }
      },
      "ConnectTimeout": {
        "name": "connectTimeoutInSeconds", "in": "query",
        "description": "How long to wait for the device to connect; part of the response timeout, and at most that.",
        "schema": { "type": "integer", "minimum": 0, "maximum": 300, "default": 0 }
      },
      "ResponseTimeout": {
        "name": "responseTimeoutInSeconds", "in": "query",
        "description": "How long to wait for the answer in all.",
        "schema": { "type": "integer", "minimum": 5, "maximum": 300, "default": 30 }
      },
      "path.containerName": {
        "name": "containerName", "in": "path", "required": true,
        "description": "The container.", "schema": { "type": "string" }
      },
      "path.blobName": {
        "name": "blobName", "in": "path", "required": true,
        "description": "The file's name, its slashes escaped as %2F.",
        "schema": { "type": "string" }
      },
      "Container": {
        "name": "container", "in": "query",
        "description": "The container; without it, that of uploads.",
        "schema": { "type": "string", "default": "uploads" }
      },
      "FilePrefix": {
        "name": "prefix", "in": "query",
        "description": "What the names begin with, such as a device's ID and a slash.",
        "schema": { "type": "string" }
      },
      "APIVersion": {
        "name": "api-version", "in": "query", "required": true,
        "description": "The version of the interface.",
        "schema": { "type": "string", "default": "2021-04-12" }
      },
      "Top": {
        "name": "top", "in": "query",
        "description": "Devices at most; anything but 1 to 1000 means 1000.",
        "schema": { "type": "integer", "minimum": 1, "maximum": 1000, "default": 1000 }
      },
      "TopConfigurations": {
        "name": "top", "in": "query",
        "description": "Configurations at most; all without it.",
        "schema": { "type": "integer", "minimum": 1 }
      },
      "JobType": {
        "name": "jobType", "in": "query", "allowEmptyValue": true,
        "description": "Jobs of this type alone.",
        "schema": { "$ref": "#/components/schemas/JobType" }
      },
      "JobStatus": {
        "name": "jobStatus", "in": "query", "allowEmptyValue": true,
        "description": "Jobs of this status alone.",
        "schema": { "$ref": "#/components/schemas/JobStatus" }
      },
      "PlanOperation": {
        "name": "operation", "in": "query",
        "description": "What is planned; delete needs no body.",
        "schema": { "type": "string", "enum": ["put", "delete"], "default": "put" }
      },
      "IfMatch": {
        "name": "If-Match", "in": "header",
        "description": "The ETag that the object must have, in quotes or bare; * for any. A PUT of an identity or certificate without it only creates, with it only replaces.",
        "schema": { "type": "string" }
      },
      "IfMatchRequired": {
        "name": "If-Match", "in": "header", "required": true,
        "description": "The ETag that the object must have, in quotes or bare; * for any.",
        "schema": { "type": "string" }
      },
      "MaxItemCount": {
        "name": "x-ms-max-item-count", "in": "header",
        "description": "Rows at most; more than 1000 means 1000.",
        "schema": { "type": "integer", "minimum": 1, "default": 100 }
      },
      "ContinuationHeader": {
        "name": "x-ms-continuation", "in": "header",
        "description": "The header of the page before, to go on behind it.",
        "schema": { "type": "string" }
      },
      "Keys": {
        "name": "keys", "in": "query",
        "description": "Whether the lines hold the identities' keys; needs RegistryWrite as well. A line without keys gets new ones when it is imported into a hub that lacks the identity.",
        "schema": { "type": "boolean", "default": false }
      },
      "DeviceCount": {
        "name": "deviceCount", "in": "query",
        "description": "Children at most; 0 means 100.",
        "schema": { "type": "integer", "minimum": 0, "maximum": 1000, "default": 0 }
      },
      "ContinuationToken": {
        "name": "continuationToken", "in": "query",
        "description": "As it stands in the continuationLink of the page before.",
        "schema": { "type": "string" }
      },
      "TargetDevice": {
        "name": "targetDeviceId", "in": "query", "required": true,
        "description": "The device, or the module's device.",
        "schema": { "$ref": "#/components/schemas/ID" }
      },
      "TargetModule": {
        "name": "targetModuleId", "in": "query", "allowEmptyValue": true,
        "description": "The module; absent or empty for the device itself.",
        "schema": { "type": "string" }
      },
      "MessageLockTimeout": {
        "name": "IotHub-MessageLockTimeout", "in": "header",
        "description": "Seconds for which the message is held; without it, what quota.c2d_lock_seconds says.",
        "schema": { "type": "integer", "minimum": 5, "maximum": 300 }
      },
      "Reject": {
        "name": "reject", "in": "query", "allowEmptyValue": true,
        "description": "Present: the device does not want the message.",
        "schema": { "type": "string" }
      },
      "Partition": {
        "name": "partition", "in": "query",
        "description": "The partition to read, or all.",
        "schema": { "type": "string", "pattern": "^(all|[0-9]+)$", "default": "all" }
      },
      "From": {
        "name": "from", "in": "query",
        "description": "Where to begin: earliest, latest, offset:N (behind that event), sequence:N (with that one), time:T (with the first that came then or later).",
        "schema": { "type": "string", "default": "latest" }
      },
      "Continuation": {
        "name": "continuation", "in": "query",
        "description": "The continuation of the answer before; it stands for partition and from. Nothing is left out between two such calls, and nothing comes twice.",
        "schema": { "type": "string" }
      },
      "Timeout": {
        "name": "timeout", "in": "query",
        "description": "Seconds to wait if there is no event yet.",
        "schema": { "type": "integer", "minimum": 0, "maximum": 60, "default": 0 }
      },
      "Max": {
        "name": "max", "in": "query", "description": "Events at most.",
        "schema": { "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 }
      },
      "Stream": {
        "name": "stream", "in": "query",
        "description": "An event stream of message routing; events, the built-in one, unless given.",
        "schema": { "type": "string", "maxLength": 64, "default": "events" }
      },
      "DeviceFilter": {
        "name": "device", "in": "query",
        "description": "Only events of this device and its modules.",
        "schema": { "$ref": "#/components/schemas/ID" }
      },
      "MessageID": {
        "name": "iothub-messageid", "in": "header",
        "description": "The message's ID.", "schema": { "type": "string", "maxLength": 128 }
      },
      "CorrelationID": {
        "name": "iothub-correlationid", "in": "header",
        "description": "What the message belongs to.", "schema": { "type": "string" }
      },
      "UserID": {
        "name": "iothub-userid", "in": "header",
        "description": "Who caused it.", "schema": { "type": "string" }
      },
      "To": {
        "name": "iothub-to", "in": "header",
        "description": "Where it is meant to go.", "schema": { "type": "string" }
      },
      "ContentTypeProperty": {
        "name": "iothub-contenttype", "in": "header",
        "description": "The body's type, as the receiver sees it.",
        "schema": { "type": "string" }
      },
      "ContentEncodingProperty": {
        "name": "iothub-contentencoding", "in": "header",
        "description": "The body's encoding, as the receiver sees it.",
        "schema": { "type": "string" }
      },
      "Expiry": {
        "name": "iothub-expiry", "in": "header",
        "description": "When it is no longer wanted.",
        "schema": { "type": "string", "format": "date-time" }
      },
      "Acknowledgement": {
        "name": "iothub-ack", "in": "header",
        "description": "Which outcomes make feedback.",
        "schema": { "type": "string", "enum": ["none", "positive", "negative", "full"] }
      },
      "ApplicationProperty": {
        "name": "iothub-app-name", "in": "header",
        "description": "The application property called name. Every header that begins with iothub-app- is one.",
        "schema": { "type": "string" }
      }
    }
    """
}
