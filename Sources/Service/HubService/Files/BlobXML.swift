import HTTPTypes
import HubContract
import HubEngine
import HummingbirdCore
import NIOCore

/// The XML bodies of the blob endpoint.
enum BlobXML {
  private static let head = #"<?xml version="1.0" encoding="utf-8"?>"#

  /// The body of a refusal.
  static func error(_ refusal: BlobRefusal, _ id: RequestID, _ time: Timestamp) -> String {
    let message = "\(refusal.message)\nRequestId:\(id)\nTime:\(time.iso8601)"
    return "\(head)<Error>\(element("Code", refusal.code))\(element("Message", message))</Error>"
  }

  /// A page of a container's blobs.
  static func list(
    _ blobs: [BlobRecord],
    container: String,
    prefix: String,
    next: String?
  ) -> String {
    var text = "\(head)<EnumerationResults ContainerName=\"\(container)\">"
    text += element("Prefix", prefix) + "<Blobs>"
    for blob in blobs {
      text += "<Blob>" + element("Name", blob.key.name) + "<Properties>"
      text += element("Creation-Time", blob.createdTime.httpDate)
      text += element("Last-Modified", blob.modifiedTime.httpDate)
      text += element("Etag", blob.etag)
      text += element("Content-Length", String(blob.byteCount))
      text += element("Content-Type", blob.contentType)
      if let md5 = blob.md5Text { text += element("Content-MD5", md5) }
      text += element("BlobType", blob.kind.rawValue) + "</Properties></Blob>"
    }
    return text + "</Blobs>" + element("NextMarker", next ?? "") + "</EnumerationResults>"
  }

  /// The blocks of a blob.
  static func blocks(committed: [BlobPart], waiting: [BlobPart]) -> String {
    func list(_ name: String, _ parts: [BlobPart]) -> String {
      let blocks = parts.filter { !$0.block.isEmpty }.map { part in
        "<Block>" + element("Name", part.block) + element("Size", String(part.byteCount))
          + "</Block>"
      }
      return "<\(name)>\(blocks.joined())</\(name)>"
    }
    return head + "<BlockList>" + list("CommittedBlocks", committed)
      + list("UncommittedBlocks", waiting) + "</BlockList>"
  }

  /// A response with one of these bodies.
  static func response(_ text: String, status: Int = 200) -> Response {
    Response(
      status: HTTPResponse.Status(code: status),
      headers: [.contentType: "application/xml"],
      body: ResponseBody(byteBuffer: ByteBuffer(string: text))
    )
  }

  private static func element(_ name: String, _ text: String) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return "<\(name)>\(escaped)</\(name)>"
  }
}
