import ByteIO
import Platform
import Testing

/// Keys and signatures that OpenSSL made.
@Suite("Keys that verify signatures")
struct SignatureKeyTests {
  private static let message = Array("what was signed".utf8)

  private static let rows: [(String, String, String)] = [
    (
      "P-256",
      """
      -----BEGIN PUBLIC KEY-----
      MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEIiv3t3lphSe9G7tizPHES7qqWgfG
      IxwfZBVEJs9iTdSuW0y3nejBzcGGVjsQ94iMp5QZk6Fdps32ueZ5nnOWJA==
      -----END PUBLIC KEY-----
      """,
      "MEQCIBbpoPmeRKUM+DGaUkqsRgRhDZWg4fcjbaF0xpzaj6APAiB2KMuhktBGyET9x+5H5+uXfKTS"
        + "MosS2WZOElepKDh7kA=="
    ),
    (
      "P-384 with SHA-256",
      """
      -----BEGIN PUBLIC KEY-----
      MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAENJnYL7i4c2uPU+yyp2yvLtU8MBj+FoM4
      sR6k5h42T163qQXsSVgYrJ4QbwpSYs0+D5I7GyOmG8Yx2g2ktvL2vTMSXtmLD4rH
      on58ZmG6wjh05MBSD4CKYKKdpg1Zg89o
      -----END PUBLIC KEY-----
      """,
      "MGYCMQC+wIafylXTrr9eTgBPwcPDwyOWfcXClphf6aE/10EdecreA+LXJPbRh+w2c1wRHgUCMQDR"
        + "sy09xLCl5Y9IQGLYGuWJQQyHR2WgbKcqa6jRndcSS9b7UhTTOBJMoLahZ7X4Ob8="
    ),
    (
      "P-384 with SHA-384",
      """
      -----BEGIN PUBLIC KEY-----
      MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAENJnYL7i4c2uPU+yyp2yvLtU8MBj+FoM4
      sR6k5h42T163qQXsSVgYrJ4QbwpSYs0+D5I7GyOmG8Yx2g2ktvL2vTMSXtmLD4rH
      on58ZmG6wjh05MBSD4CKYKKdpg1Zg89o
      -----END PUBLIC KEY-----
      """,
      "MGUCMQCHRTH//MVL+RXmYec7Ry/ltx4Q/WzryEMgIh3/lfJxX5/IAfQ2ipSmY0MBt3jSTXwCMH2D"
        + "H0UZ/jezZQgmF/7WyIggd1UzG1qPZR7W9Vzewhr5OJ692ijQQt+2qB95d1+LZw=="
    ),
    (
      "RSA",
      """
      -----BEGIN PUBLIC KEY-----
      MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArBsOsxxIufZCMiUHHx8n
      kjfg7ohh7QpJpeNwT2d4X5sMWAe/pBep2AKLW5hGc/i+VJc+xrzHl9kqqAsAtuPx
      8hOo8/smbUsKOOAGufUAuSD1YSlPkVFWMsAR+wAt6DUnrE6Wje6HGJnc2QV7IsI3
      vhz2jwNZo4xoRfp5eGK8+CjYmwXH6bYqzg3cXqhq80F/Ij54vaGcfLa16v0FIz4m
      GM3dKTvXNfzFks2fxu6KWd0649lXLsKKXY0kYcN4b4eyUOh4U227c1m7T/EFsQIa
      UqAXaa03Hb++a17UAmwSbXGxa2kVFPw0l8qJV/9mSDJMo2MMunEzzvCYTkA08W1L
      xwIDAQAB
      -----END PUBLIC KEY-----
      """,
      "GV84n5kuzeAcnX2Nt+xc1pmUtCf/tzEGFS32MIHb5f3THXGnWYl0zSixLNct11vIUjKCDVwsX8Ih"
        + "7CcLkETKJPw3oDvTP4nzggdzsjWVykDzjEntH/3F6wZ/nfZnefMd+Wgh1Qi9rQd1yJWwaLu7Fme2"
        + "tcw1NhStia8MZbR1sRgerwLgtfcHrQo0xUrqGN/ypvZzQahP3R87AJeMNPgyRe9f+WJiGwM6Uc2J"
        + "GKOkfRXCZF0IGPALe+EekP1exDCv9cxjofz8j3gXCC8MAVzAnr2srhynLFXUYjOZcJNXZghedG9q"
        + "3TcnyRCuQns5KGD9DjzimgLk3auUu4hGsfMsoQ=="
    ),
    (
      "Ed25519",
      """
      -----BEGIN PUBLIC KEY-----
      MCowBQYDK2VwAyEAlZnjslqYwm/czFgkAhRAmSILMIWgcb/aXRrr2EQRHXg=
      -----END PUBLIC KEY-----
      """,
      "XalrgLMuW4zUPw+UZITQIgSB8xQ7cAC/K497LBW7F5BXaXQlYX2DS5R2eYNWLO7GGxzh1kwNedaG"
        + "FJ0osoH2CQ=="
    ),
  ]

  private static let shortRSA = """
    -----BEGIN PUBLIC KEY-----
    MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDKGPAiHuZhyt+MHmjknRHLfN5D
    vemQlyHr+8CEqTXp1VHXHzNogmbgqd3iyPavojlxNB7cGNO4Z7zI3ChLFO9rc9h3
    dyogHOryYuEYXEheqkOJIkmA5LU2wZkcntfVyNKRTM4w93RgTqxkSSbo5BLe9RXw
    DAp6Xx+EmB54fOnNuQIDAQAB
    -----END PUBLIC KEY-----
    """

  @Test("a signature is its key's alone, and over its message alone")
  func kinds() throws {
    for (name, pem, signature) in Self.rows {
      let key = try #require(SignatureKey(pem: pem), "\(name)")
      let bytes = try #require(Base64.decode(signature))
      #expect(key.isValid(bytes, for: Self.message), "\(name)")
      #expect(!key.isValid(bytes, for: Self.message + [0x20]), "\(name)")
      #expect(!key.isValid(Array(bytes.dropLast()), for: Self.message), "\(name)")
      #expect(!key.isValid([], for: Self.message), "\(name)")
      for (other, pem, _) in Self.rows where pem != Self.pem(of: name) {
        #expect(SignatureKey(pem: pem)?.isValid(bytes, for: Self.message) == false, "\(other)")
      }
    }
  }

  private static func pem(of name: String) -> String { rows.first { $0.0 == name }?.1 ?? "" }

  @Test("what is no key that can be used is none")
  func malformed() {
    let good = Self.rows[0].1
    let rows = [
      "", "text", good.replacing("PUBLIC KEY", with: "CERTIFICATE"),
      good.replacing("MF", with: "MG"), String(good.prefix(100)), Self.shortRSA,
    ]
    for pem in rows { #expect(SignatureKey(pem: pem) == nil, "\(pem.prefix(40))") }
  }
}
