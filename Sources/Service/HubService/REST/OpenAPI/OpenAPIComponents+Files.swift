extension OpenAPIComponents {
  static let fileSchemas = """
    {
      "UploadRequest": {
        "type": "object", "required": ["blobName"],
        "properties": {
          "blobName": {
            "type": "string", "description": "The file's name under the device's own folder."
          }
        }
      },
      "Upload": {
        "type": "object",
        "required": ["correlationId", "hostName", "containerName", "blobName", "sasToken"],
        "properties": {
          "correlationId": { "type": "string", "description": "Names the upload when it is completed." },
          "hostName": { "type": "string", "description": "The host, with its port where the device used one." },
          "containerName": { "type": "string" },
          "blobName": {
            "type": "string",
            "description": "The device's ID, a slash, and the name; the characters % ? and # are escaped, as a URL needs it."
          },
          "sasToken": { "type": "string", "description": "The URL's query with its question mark: a secret." }
        }
      },
      "UploadOutcome": {
        "type": "object", "required": ["correlationId", "isSuccess"],
        "properties": {
          "correlationId": { "type": "string" },
          "isSuccess": { "type": "boolean" },
          "statusCode": { "type": ["integer", "null"] },
          "statusDescription": { "type": ["string", "null"] }
        }
      },
      "FileNotification": {
        "type": "object",
        "properties": {
          "deviceId": { "$ref": "#/components/schemas/ID" },
          "blobUri": { "type": "string", "format": "uri" },
          "blobName": { "type": "string" },
          "lastUpdatedTime": { "$ref": "#/components/schemas/Time" },
          "blobSizeInBytes": { "type": "integer" },
          "enqueuedTimeUtc": { "$ref": "#/components/schemas/Time" }
        }
      },
      "File": {
        "type": "object",
        "properties": {
          "containerName": { "type": "string" },
          "blobName": { "type": "string" },
          "blobSizeInBytes": { "type": "integer" },
          "contentType": { "type": "string" },
          "contentMd5": { "type": ["string", "null"], "description": "In base64, where it is known." },
          "etag": { "type": "string" },
          "createdTime": { "$ref": "#/components/schemas/Time" },
          "lastUpdatedTime": { "$ref": "#/components/schemas/Time" }
        }
      },
      "FileSignatureRequest": {
        "type": "object", "required": ["permissions"],
        "properties": {
          "containerName": { "type": "string", "description": "Without it, that of uploads." },
          "blobName": { "type": "string", "description": "Without it, the whole container." },
          "permissions": {
            "type": "string",
            "description": "Letters: r read, a append, c create, w write, d delete, l list a container.",
            "pattern": "^[racwdl]+$"
          },
          "expirySeconds": {
            "type": "integer", "minimum": 1, "maximum": 31536000, "default": 3600
          }
        }
      },
      "TransferJobRequest": {
        "type": "object", "required": ["type"],
        "properties": {
          "type": { "type": "string", "enum": ["export", "import"] },
          "inputBlobContainerUri": {
            "type": "string", "description": "Of an import: https://<this hub>/<container>?<signature>."
          },
          "inputBlobName": { "type": "string", "default": "devices.txt" },
          "outputBlobContainerUri": {
            "type": "string",
            "description": "Of an export; of an import, where importErrors.log goes, instead of the input's container."
          },
          "outputBlobName": { "type": "string", "default": "devices.txt" },
          "excludeKeysInExport": { "type": "boolean", "default": false },
          "storageAuthenticationType": {
            "type": "string", "enum": ["keyBased", "identityBased"], "default": "keyBased",
            "description": "identityBased: the URIs need no signature."
          }
        }
      },
      "TransferJob": {
        "type": "object", "required": ["jobId", "type", "status"],
        "properties": {
          "jobId": { "type": "string" },
          "type": { "type": "string", "enum": ["export", "import"] },
          "status": {
            "type": "string", "enum": ["enqueued", "running", "completed", "failed", "cancelled"]
          },
          "progress": { "type": "integer", "minimum": 0, "maximum": 100 },
          "failureReason": { "type": "string" },
          "createdTimeUtc": { "$ref": "#/components/schemas/Time" },
          "startTimeUtc": { "$ref": "#/components/schemas/Time" },
          "endTimeUtc": { "$ref": "#/components/schemas/Time" },
          "inputBlobContainerUri": { "type": "string", "description": "Without its signature." },
          "inputBlobName": { "type": "string" },
          "outputBlobContainerUri": { "type": "string", "description": "Without its signature." },
          "outputBlobName": { "type": "string" },
          "excludeKeysInExport": { "type": "boolean" }
        }
      },
      "FileSignature": {
        "type": "object",
        "properties": {
          "url": { "type": "string", "format": "uri" },
          "expiryTime": { "$ref": "#/components/schemas/Time" }
        }
      }
    }
    """
}
