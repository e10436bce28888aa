import HTTPTypes
import HubContract
import HummingbirdCore
import JSONTree
import NIOCore

extension Response {
  /// JSON with the ETag of the one object that it shows, if it shows one.
  static func json(_ value: JSONValue, status: Int = 200, etag: String? = nil) -> Response {
    json(bytes: JSON.bytes(value), status: status, etag: etag)
  }

  /// JSON text that is written already.
  static func json(bytes: [UInt8], status: Int = 200, etag: String? = nil) -> Response {
    var headers: HTTPFields = [.contentType: "application/json; charset=utf-8"]
    if let etag { headers[.eTag] = ETags.quoted(etag) }
    return Response(
      status: HTTPResponse.Status(code: status),
      headers: headers,
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
    )
  }

  /// This answer as a page: what kind of rows it has, and where the next page begins, if there is one.
  func page(of itemType: String? = nil, next continuation: String?) -> Response {
    var response = self
    response.headers[.itemType] = itemType
    response.headers[.continuation] = continuation
    return response
  }

  /// 204.
  static var noContent: Response {
    var response = Response(status: .noContent)
    // A response without content has no length either (RFC 9110 §8.6).
    response.headers[.contentLength] = nil
    return response
  }
}

extension Timestamp {
  /// The time as the header `Date` has it (RFC 9110 §5.6.7).
  var httpDate: String {
    let text = iso8601
    func part(_ from: Int, _ count: Int) -> String {
      String(text.dropFirst(from).prefix(count))
    }
    let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    let days = seconds / 86_400 - (seconds % 86_400 < 0 ? 1 : 0)
    let weekday = weekdays[Int((days % 7 + 7) % 7)]
    let month = months[(Int(part(5, 2)) ?? 1) - 1]
    return "\(weekday), \(part(8, 2)) \(month) \(part(0, 4)) \(part(11, 8)) GMT"
  }
}
