import HTTPTypes
import HubContract
import HummingbirdCore
import NIOCore
import Platform

/// Reads request bodies within bounds of size and time.
///
/// A connection that sends nothing is closed by its channel; a body that trickles is cut off here.
struct BodyReader: Sendable {
  /// Time at most from the head to the end of a body that is kept in memory.
  static let timeLimit = Duration.seconds(60)

  private enum End: Error { case tooSlow }

  let request: Request
  let connection: RESTConnection
  /// Bytes at most.
  let limit: Int

  /// The whole body.
  ///
  /// - Throws: 413001 above the limit, 400003 when it comes too slowly, 400006 when it breaks off.
  func collect() async throws -> [UInt8] {
    try checkDeclaredLength()
    guard Self.hasBody(request.headers) else { return [] }
    announce()
    do {
      return try await withThrowingTaskGroup(of: [UInt8].self) { group in
        group.addTask { try await read() }
        group.addTask {
          try await Pause.sleep(for: Self.timeLimit)
          throw End.tooSlow
        }
        defer { group.cancelAll() }
        return try await group.next() ?? []
      }
    } catch End.tooSlow {
      throw closing(
        .invalidOperation,
        "The body did not arrive within \(Self.timeLimit.components.seconds) seconds."
      )
    } catch let refusal as RESTRefusal {
      throw refusal
    } catch {
      throw closing(.iotHubFormatError, "The body broke off.")
    }
  }

  /// Asks for the body if the client waits to be asked.
  func announce() {
    if request.headers[.expect]?.lowercased() == "100-continue" { connection.sendContinue() }
  }

  /// Refuses a body that says beforehand that it is too long.
  func checkDeclaredLength() throws(RESTRefusal) {
    guard let text = request.headers[.contentLength] else { return }
    guard let length = Int(text), length <= limit else { throw tooLarge() }
  }

  /// Whether the head announces a body.
  static func hasBody(_ headers: HTTPFields) -> Bool {
    if headers[.transferEncoding] != nil { return true }
    guard let length = headers[.contentLength] else { return false }
    return length != "0"
  }

  private func read() async throws -> [UInt8] {
    var bytes: [UInt8] = []
    for try await buffer in request.body {
      guard buffer.readableBytes <= limit - bytes.count else { throw tooLarge() }
      bytes.append(contentsOf: buffer.readableBytesView)
    }
    return bytes
  }

  private func tooLarge() -> RESTRefusal {
    closing(.messageTooLarge, "The body has more than \(limit) bytes.")
  }

  private func closing(_ code: HubErrorCode, _ message: String) -> RESTRefusal {
    var refusal = RESTRefusal(HubError(code, message))
    refusal.closesConnection = true
    return refusal
  }
}
