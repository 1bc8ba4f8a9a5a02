#pragma once

#include <string>

// Keys made for these tests by ssh-keygen and openssl; they open nothing. The passphrase of the
// encrypted ones is "open sesame".
namespace pca::test {

inline const std::string ed25519_openssh =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
    "QyNTUxOQAAACCjQVQBfdOVOp4kXUYnkjn0IAyHB1n2lawnGO77F547CAAAAIiXXV3il11d\n"
    "4gAAAAtzc2gtZWQyNTUxOQAAACCjQVQBfdOVOp4kXUYnkjn0IAyHB1n2lawnGO77F547CA\n"
    "AAAEAC444VmLp7KwKpNOhcEn6tQm2p43PK0FTL7LXVrTjxBqNBVAF905U6niRdRieSOfQg\n"
    "DIcHWfaVrCcY7vsXnjsIAAAAAAECAwQF\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

inline const std::string ed25519_openssh_encrypted =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABCORxdHhz\n"
    "13P9lIvIrvC7k3AAAAAQAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIMcR0gPwCSH1fsn/\n"
    "xkzVY9IhYLo9hdPZD+4BR2iVN10rAAAAkOMuWNk6nclZSHhDxqGVgTRYi2HeUYvk/CbIF7\n"
    "RfqlxX/klFpOZO6e6X+6l0MBsiC38/31DReskDXUDQYAe0IzEzkKIiOLEdzagpnspNvovo\n"
    "yVGTEv0GrdV8v1NU9x1WKsJjtuyodi/KzehWBMReJhsnsg4sv2THwIs8+SATGCLipjokNm\n"
    "etbsIfEUzdc7flYw==\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

inline const std::string ecdsa_pem =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEICPOSK71adfu+M/hMcvTqOi5+vvNT8Y4oTRx51GhhveGoAoGCCqGSM49\n"
    "AwEHoUQDQgAEjYRJI4U8TOZXDp+TqZXB4LGKF9vqwWBtrbz8LneoOtXKUFU4iSbK\n"
    "34usDKkXXoZcQ9oLyhmDg8AsGfsdmshFBg==\n"
    "-----END EC PRIVATE KEY-----\n";

inline const std::string ecdsa_pem_encrypted =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "Proc-Type: 4,ENCRYPTED\n"
    "DEK-Info: AES-128-CBC,0E534BF70F40F068F453E7FA8F2955F2\n"
    "\n"
    "S5HmJlwRRdT3kAe1qhs8dBm4T/pcdfa6NfI/Xu62mxwpc8aem1SjwzEcnVeAC6OA\n"
    "vR0f9SxZSy2eIPLjdgXm2yhaWj6IjeyrIPcSakR4sXo5spDfgDbJc7b6qceHqYvH\n"
    "qFYOYmR1DLsIiqOZWNLDkpedexIlMzG65PlgPigaCvk=\n"
    "-----END EC PRIVATE KEY-----\n";

inline const std::string ecdsa_pem_des3 =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "Proc-Type: 4,ENCRYPTED\n"
    "DEK-Info: DES-EDE3-CBC,D997F02E4FB056E7\n"
    "\n"
    "qGgjbWGpWarglY16kabsrpFxkWPKs9QZY7ZB7OlHZ9wwtpKa7IEkgrU+rp5oV6r8\n"
    "Iedd0WXqDh36ESh0x5ksVQwayYswSPP5PaDB9ixe9bIoSWMjfAvwM1Lv5U4QyNcq\n"
    "+yLQcnKHWirnHotztzwEqH0kiecGPiuoT8v/XiU4URU=\n"
    "-----END EC PRIVATE KEY-----\n";

inline const std::string ed25519_pkcs8 =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIKSH92YQkFBAxtmSmFQQJphwaAYkNM4s0kdsP4Uszq1g\n"
    "-----END PRIVATE KEY-----\n";

inline const std::string ed25519_pkcs8_encrypted =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIGaMFYGCSqGSIb3DQEFDTBJMCgGCSqGSIb3DQEFDDAbBAiwFW9Kh2ozMAIBZDAM\n"
    "BggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQajgrdjCgJqjyOGJSF5OEKwRAVcMH\n"
    "VE/WLpu8/PLPOOonfcN0o+D9MJ2krrDfUqs496PjS7BRIPIbYggrX7FcukU6u4We\n"
    "5wdBEleceVkLo/x8rw==\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";

inline const std::string secp256k1_pem =
    "-----BEGIN EC PARAMETERS-----\n"
    "BgUrgQQACg==\n"
    "-----END EC PARAMETERS-----\n"
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHQCAQEEIFpgeJGfLELbYc9vWBGsTtD+ljK2BzejSJKCyTbaKReEoAcGBSuBBAAK\n"
    "oUQDQgAEcUySz96yxP7jM1JfexSYVc4+UxTKW7kcpAL37XxLvzzGNtqs+OErbYqk\n"
    "DaetXVGZlD9T21d0cD/W+7OTaSfSmA==\n"
    "-----END EC PRIVATE KEY-----\n";

inline const std::string x25519_pkcs8 =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VuBCIEIPh5x3+fTh7/RVcBtBySO5esItwaVC5qPU0Fuyz7ARRX\n"
    "-----END PRIVATE KEY-----\n";

inline const std::string dsa_openssh =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAABsQAAAAdzc2gtZH\n"
    "NzAAAAgQCEsPj9YLtTMfUPp5xMgripcLv9uBoMI6Wb12zOfeu/eX9z7dvm+wFMoApCf2ZO\n"
    "eclPpfc85aK5fQ3fjkYUKWU3/i125NXWF/uXxYCJI62desAi8+Jc3SyENqOJ9wFJGV4qOM\n"
    "0QHC3q572PSZLziQmjkFj0NnM1z72RQ3Pee8AF5wAAABUAw6F3Cxsf6WryFmSsarfPlZyu\n"
    "yJUAAACAP1KNNJFrkN8xQ8Ps6kN0JXdwaeKIqhu7/A+JTl3RtTMqxI9zNqmh13TduRjbTq\n"
    "d3L7MsAd9ZiBs+nrAMUuPrPM2eQIVD8a5CiSJaW8dLFELhWzUYdzq0Zna6NKiV8x4qWGVq\n"
    "/DiwztIdumVzl2bvK+5qxAL9x9FVGgX6RPpbS0wAAACAdNlns6nYkq2TDIvklK3+DvHz+k\n"
    "5/sv/5rcXDa7HlGqYiKs6wVOP4xeyKuW6461NAiVioJALpz76kA++qBAThqDn8Y5YBrmld\n"
    "4tEQzibWkEBIZn7lO+RF5oOmWSmcI+km0at/DUZdSetgRK/ux94CTTKtGIM6o7myVG2vNa\n"
    "i61Y4AAAHYDorcAg6K3AIAAAAHc3NoLWRzcwAAAIEAhLD4/WC7UzH1D6ecTIK4qXC7/bga\n"
    "DCOlm9dszn3rv3l/c+3b5vsBTKAKQn9mTnnJT6X3POWiuX0N345GFCllN/4tduTV1hf7l8\n"
    "WAiSOtnXrAIvPiXN0shDajifcBSRleKjjNEBwt6ue9j0mS84kJo5BY9DZzNc+9kUNz3nvA\n"
    "BecAAAAVAMOhdwsbH+lq8hZkrGq3z5WcrsiVAAAAgD9SjTSRa5DfMUPD7OpDdCV3cGniiK\n"
    "obu/wPiU5d0bUzKsSPczapodd03bkY206ndy+zLAHfWYgbPp6wDFLj6zzNnkCFQ/GuQoki\n"
    "WlvHSxRC4Vs1GHc6tGZ2ujSolfMeKlhlavw4sM7SHbplc5dm7yvuasQC/cfRVRoF+kT6W0\n"
    "tMAAAAgHTZZ7Op2JKtkwyL5JSt/g7x8/pOf7L/+a3Fw2ux5RqmIirOsFTj+MXsirluuOtT\n"
    "QIlYqCQC6c++pAPvqgQE4ag5/GOWAa5pXeLREM4m1pBASGZ+5TvkReaDplkpnCPpJtGrfw\n"
    "1GXUnrYESv7sfeAk0yrRiDOqO5slRtrzWoutWOAAAAFGBBdZQ5BsNEuNFnb92x4/xuhTQ7\n"
    "AAAAAAECAw==\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

// The public half of ed25519_pkcs8 and of no other.
inline const std::string ed25519_pkcs8_public =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGXX3LL9z8Ru4zCGQFECCiJsATJLgxCrzCGxP5NTq1Dw";

}  // namespace pca::test
