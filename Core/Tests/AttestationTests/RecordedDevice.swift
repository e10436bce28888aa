import Attestation
import ByteIO
import COSE
import Foundation
import Testing

/// The file Vectors/DICE/device.json: devices that another implementation computed.
struct RecordedDevice: Decodable {
  struct File: Decodable {
    let calls: [String: String]
    let signatures: [String: String]
    let devices: [RecordedDevice]
  }

  struct Layer: Decodable {
    let code: String
    let configuration: String
    let isInline: Bool
    let authority: String
    let mode: UInt8
    let hidden: String
    let attestation: String
    let sealing: String
    let key: String
    let point: String
    let name: String
    let certificate: String

    func inputs() throws -> DICEInputs {
      let configuration = hex(configuration)
      return try DICEInputs(
        codeHash: hex(code),
        configuration: isInline ? .inline(configuration) : .descriptor(configuration),
        authorityHash: hex(authority),
        mode: try #require(DICEMode(rawValue: mode)),
        hidden: hex(hidden)
      )
    }
  }

  let secret: String
  let rootPoint: String
  let rootKey: String
  let rootName: String
  let identifier: String
  let layers: [Layer]
  let evidencePoint: String
  let evidenceKey: String
  let evidenceCertificate: String
  let clientNumber: UInt64
  let clientKey: String
  let clientPoint: String
  let claims: String
  let token: String
  let evidence: String

  static let file: File? = {
    let path = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../Vectors/DICE/device.json")
    guard let data = try? Data(contentsOf: path) else { return nil }
    return try? JSONDecoder().decode(File.self, from: data)
  }()

  static func all() throws -> [RecordedDevice] { try #require(file).devices }
}

func hex(_ text: String) -> [UInt8] { Hex.decode(text) ?? [] }

func key(_ point: String) throws -> COSEKey { try #require(COSEKey(.p256, point: hex(point))) }

extension DICEFunctions {
  /// What was recorded, and a failure of the test for anything else.
  static let recorded = DICEFunctions(
    hash: { answer("hash", [Hex.encode($0)]) },
    authenticate: { answer("authenticate", [Hex.encode($0), Hex.encode($1)]) },
    derive: { answer("derive", ["\($0)", Hex.encode($1), Hex.encode($2), Hex.encode($3)]) }
  )

  private static func answer(_ name: String, _ arguments: [String]) -> [UInt8] {
    let call = ([name] + arguments).joined(separator: ":")
    guard let result = RecordedDevice.file?.calls[call] else {
      Issue.record("no such call: \(call)")
      return [UInt8](repeating: 0, count: 64)
    }
    return hex(result)
  }
}

/// Whether the signature is the recorded one.
func checkRecorded(_ key: COSEKey, _ message: [UInt8], _ signature: [UInt8]) -> Bool {
  let name = Hex.encode(key.point) + ":" + Hex.encode(message)
  return RecordedDevice.file?.signatures[name] == Hex.encode(signature)
}
