import ByteIO
import COSE
import Foundation
import Testing

/// The files of Vectors/COSE: what other implementations and the documents say.
enum Vectors {
  struct Encoding: Decodable {
    let encoded: String
    let source: String
    let value: Notation?
  }

  struct Message: Decodable {
    let algorithm: Int64
    let authenticated: String
    let authentication: String
    let detached: String?
    let external: String
    let keyIdentifier: String?
    let message: String
    let payload: String
    let point: String
    let source: String
    let tagged: Bool
  }

  struct Claims: Decodable {
    let encoded: String
    let fault: Int64?
  }

  /// A value in JSON that keeps CBOR's types apart.
  indirect enum Notation: Decodable {
    case value(CBORValue)

    private enum Key: String, CodingKey {
      case unsigned, negative, bytes, text, array, map, tag, content, simple, double
    }

    init(from decoder: any Decoder) throws {
      let fields = try decoder.container(keyedBy: Key.self)
      func number(_ key: Key) throws -> UInt64 {
        try #require(UInt64(fields.decode(String.self, forKey: key)))
      }
      func inner(_ notation: Notation) -> CBORValue {
        switch notation {
        case .value(let value): value
        }
      }
      if fields.contains(.unsigned) {
        self = .value(.unsigned(try number(.unsigned)))
      } else if fields.contains(.negative) {
        self = .value(.negative(try number(.negative)))
      } else if fields.contains(.bytes) {
        self = .value(.bytes(hex(try fields.decode(String.self, forKey: .bytes))))
      } else if fields.contains(.text) {
        self = .value(.text(CBORText(try fields.decode(String.self, forKey: .text))))
      } else if fields.contains(.array) {
        self = .value(.array(try fields.decode([Notation].self, forKey: .array).map(inner)))
      } else if fields.contains(.map) {
        var map = CBORMap()
        for pair in try fields.decode([[Notation]].self, forKey: .map) {
          map[key: inner(pair[0])] = inner(pair[1])
        }
        self = .value(.map(map))
      } else if fields.contains(.tag) {
        let content = try fields.decode(Notation.self, forKey: .content)
        self = .value(.tagged(try number(.tag), inner(content)))
      } else if fields.contains(.double) {
        let bits = hex(try fields.decode(String.self, forKey: .double))
        self = .value(.double(Double(bitPattern: bits.reduce(0) { $0 << 8 | UInt64($1) })))
      } else {
        switch try fields.decode(Int.self, forKey: .simple) {
        case 20: self = .value(.boolean(false))
        case 21: self = .value(.boolean(true))
        case 22: self = .value(.null)
        default: self = .value(.undefined)
        }
      }
    }
  }

  static func load<Row: Decodable>(_ name: String, as type: Row.Type) throws -> [Row] {
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../Vectors/COSE/\(name).json")
    return try JSONDecoder().decode([Row].self, from: Data(contentsOf: file))
  }
}

func hex(_ text: String) -> [UInt8] { Hex.decode(text.filter { $0 != " " }) ?? [] }

func read(_ text: String, _ limits: CBORLimits = CBORLimits()) throws(COSEFault) -> CBORValue {
  try CBORValue(hex(text).span, limits: limits)
}

func map(_ pairs: [(Int64, CBORValue)]) -> CBORMap {
  var map = CBORMap()
  for (label, value) in pairs { map[label] = value }
  return map
}

/// Writes a value that may hold what `CBORMap` never does, for tests of refusals.
func raw(_ parts: [UInt8]...) -> [UInt8] { parts.flatMap { $0 } }
