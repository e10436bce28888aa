public import COSE

/// What makes inputs, certificates or evidence none.
public enum AttestationFault: Error, Equatable, Sendable {
  /// The bytes are no such CBOR, message, key or claims set.
  case encoding(COSEFault)
  /// An input of DICE that has not the length of the profile, in bytes.
  case inputByteCount(Int)
  /// No private key came out of a seed; never seen but with functions that are not what they should
  /// be.
  case noPrivateKey
  /// A certificate with a field that is missing, unknown, or not what the profile says.
  case invalidCertificate
  /// A configuration that is not the one its hash was made of.
  case configurationHash
  /// No certificate for a layer, or more certificates than `DICEChain.maximumCertificates`.
  case certificateCount(Int)
  /// The certificate at this place names another issuer than the key before it.
  case issuerMismatch(Int)
  /// The certificate at this place names a subject that its key does not have.
  case subjectMismatch(Int)
  /// The certificate at this place is for another use than its place asks for.
  case certificateUsage(Int)
  /// The certificate at this place was not signed by the key before it.
  case certificateSignature(Int)
  /// The evidence was not signed by the key of the last certificate.
  case evidenceSignature
  /// An envelope of another version or shape.
  case invalidEnvelope
  /// A claims set of another profile.
  case otherProfile
  /// A measurement in another format, with another shape, or twice for a component.
  case invalidMeasurement
}

/// Turns a fault of the module below into ours.
func encoding<Value>(_ body: () throws(COSEFault) -> Value) throws(AttestationFault) -> Value {
  do {
    return try body()
  } catch {
    throw .encoding(error)
  }
}
