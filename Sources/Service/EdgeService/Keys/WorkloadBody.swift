import ByteIO
import JSONTree
import Platform

/// The body of a request to the workload API: a JSON object whose bytes are in base64.
package struct WorkloadBody: Sendable {
  /// What is wrong with it, for a person.
  package struct Fault: Error, Equatable, CustomStringConvertible {
    package let description: String
  }

  private let object: JSONObject

  /// Reads a body.
  package init(_ bytes: [UInt8]) throws(Fault) {
    let json: JSONValue
    do throws(JSONFault) {
      json = try JSON.parse(bytes)
    } catch {
      throw Fault(description: "the body is not JSON: \(error)")
    }
    guard let object = json.objectValue else {
      throw Fault(description: "the body must be a JSON object")
    }
    self.object = object
  }

  /// The bytes of a member.
  package func bytes(_ name: String) throws(Fault) -> [UInt8] {
    guard let text = object[name]?.stringValue else {
      throw Fault(description: "the body's \(name) is missing or no text")
    }
    guard let bytes = Base64.decode(text) else {
      throw Fault(description: "the body's \(name) is not base64")
    }
    return bytes
  }

  /// A name that a certificate can be made for.
  package func hostName(_ name: String) throws(Fault) -> String {
    guard let text = object[name]?.stringValue, HostName.isValid(text) else {
      throw Fault(description: "the body's \(name) must be a host name or an address")
    }
    return text
  }
}
