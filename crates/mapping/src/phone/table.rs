//! Dialling plans: what each calling code has for national prefix, prefix for calls abroad and national numbers.
//!
//! Derived from the metadata of libphonenumber (Apache-2.0) as of the Python package `phonenumbers` 9.0.43; written by
//! `tests/fixtures/phone/make.py`, so it is not edited by hand.

use super::{Plan, Trunk};

const fn drop(drop: &'static str) -> Trunk {
    Trunk { drop, keep: "", skip: "", lead: "" }
}

/// By calling code. Each row names the regions that share the code, the main one first.
#[rustfmt::skip]
pub(super) static PLANS: [Plan; 215] = [
    Plan { code: 1, abroad: "011", trunk: &[drop("1")], lengths: 0x400, national: r"[2-9]\d{9}|3\d{6}" }, // US AG AI AS BB BM BS CA DM DO GD GU JM KN KY LC MP MS PR SX TC TT VC VG VI
    Plan { code: 7, abroad: "810", trunk: &[drop("8")], lengths: 0x4400, national: r"8\d{13}|[347-9]\d{9}" }, // RU KZ
    Plan { code: 20, abroad: "", trunk: &[drop("0")], lengths: 0x700, national: r"[189]\d{8,9}|[24-6]\d{8}|[135]\d{7}" }, // EG
    Plan { code: 27, abroad: "", trunk: &[drop("0")], lengths: 0x7e0, national: r"[1-79]\d{8}|8\d{4,9}" }, // ZA
    Plan { code: 30, abroad: "", trunk: &[], lengths: 0x1c00, national: r"5005000\d{3}|8\d{9,11}|(?:[269]\d|70)\d{8}" }, // GR
    Plan { code: 31, abroad: "", trunk: &[drop("0")], lengths: 0xfe0, national: r"(?:[124-7]\d\d|3(?:[02-9]\d|1[0-8]))\d{6}|8\d{6,9}|9\d{6,10}|1\d{4,5}" }, // NL
    Plan { code: 32, abroad: "", trunk: &[drop("0")], lengths: 0x300, national: r"4\d{8}|[1-9]\d{7}" }, // BE
    Plan { code: 33, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"[1-9]\d{8}" }, // FR
    Plan { code: 34, abroad: "", trunk: &[], lengths: 0x200, national: r"400\d{6}|(?:51|[6-9]\d)\d{7}" }, // ES
    Plan { code: 36, abroad: "", trunk: &[drop("06")], lengths: 0x300, national: r"[235-7]\d{8}|[1-9]\d{7}" }, // HU
    Plan { code: 39, abroad: "", trunk: &[], lengths: 0x1fc0, national: r"0\d{5,11}|1\d{8,10}|3(?:[0-8]\d{7,10}|9\d{7,8})|(?:43|55|70)\d{8}|8\d{5}(?:\d{2,4})?" }, // IT VA
    Plan { code: 40, abroad: "", trunk: &[drop("0")], lengths: 0x240, national: r"(?:[2378]\d|90)\d{7}|[23]\d{5}" }, // RO
    Plan { code: 41, abroad: "", trunk: &[drop("0")], lengths: 0x1200, national: r"8\d{11}|[2-9]\d{8}" }, // CH
    Plan { code: 43, abroad: "", trunk: &[drop("0")], lengths: 0x3ff0, national: r"1\d{3,12}|2\d{6,12}|43(?:(?:0\d|5[02-9])\d{3,9}|2\d{4,5}|[3467]\d{4}|8\d{4,6}|9\d{4,7})|5\d{4,12}|8\d{7,12}|9\d{8,12}|(?:[367]\d|4[0-24-9])\d{4,11}" }, // AT
    Plan { code: 44, abroad: "", trunk: &[drop("0|180020")], lengths: 0x680, national: r"[1-357-9]\d{9}|[18]\d{8}|8\d{6}" }, // GB GG IM JE
    Plan { code: 45, abroad: "", trunk: &[], lengths: 0x100, national: r"[2-9]\d{7}" }, // DK
    Plan { code: 46, abroad: "", trunk: &[drop("0")], lengths: 0x17c0, national: r"(?:[26]\d\d|9)\d{9}|[1-9]\d{8}|[1-689]\d{7}|[1-4689]\d{6}|2\d{5}" }, // SE
    Plan { code: 47, abroad: "", trunk: &[], lengths: 0x120, national: r"(?:0|[2-9]\d{3})\d{4}" }, // NO SJ
    Plan { code: 48, abroad: "", trunk: &[], lengths: 0x7c0, national: r"(?:6|8\d\d)\d{7}|[1-9]\d{6}(?:\d{2})?|[26]\d{5}" }, // PL
    Plan { code: 49, abroad: "", trunk: &[drop("0")], lengths: 0xfff0, national: r"[2579]\d{5,14}|49(?:[34]0|69|8\d)\d\d?|49(?:37|49|60|7[089]|9\d)\d{1,3}|49(?:2[024-9]|3[2-689]|7[1-7])\d{1,8}|(?:1|[368]\d|4[0-8])\d{3,13}|49(?:[015]\d|2[13]|31|[46][1-8])\d{1,9}" }, // DE
    Plan { code: 51, abroad: "00|19(?:1[124]|77|90)00", trunk: &[drop("0")], lengths: 0x300, national: r"(?:[14-8]|9\d)\d{7}" }, // PE
    Plan { code: 52, abroad: "0[09]", trunk: &[], lengths: 0x400, national: r"[2-9]\d{9}" }, // MX
    Plan { code: 53, abroad: "119", trunk: &[drop("0")], lengths: 0x5c0, national: r"(?:[2-7]|8\d\d)\d{7}|[2-47]\d{6}|[34]\d{5}" }, // CU
    Plan { code: 54, abroad: "", trunk: &[Trunk { drop: "0?", keep: r"(11|2(?:2(?:02?|[13]|2[13-79]|4[1-6]|5[2457]|6[124-8]|7[1-4]|8[13-6]|9[1267])|3(?:02?|1[467]|2[03-6]|3[13-8]|[49][2-6]|5[2-8]|[67])|4(?:7[3-578]|9)|6(?:[0136]|2[24-6]|4[6-8]?|5[15-8])|80|9(?:0[1-3]|[19]|2\d|3[1-6]|4[02568]?|5[2-4]|6[2-46]|72?|8[23]?))|3(?:3(?:2[79]|6|8[2578])|4(?:0[0-24-9]|[12]|3[5-8]?|4[24-7]|5[4-68]?|6[02-9]|7[126]|8[2379]?|9[1-36-8])|5(?:1|2[1245]|3[237]?|4[1-46-9]|6[2-4]|7[1-6]|8[2-5]?)|6[24]|7(?:[069]|1[1568]|2[15]|3[145]|4[13]|5[14-8]|7[2-57]|8[126])|8(?:[01]|2[15-7]|3[2578]?|4[13-6]|5[4-8]?|6[1-357-9]|7[36-8]?|8[5-8]?|9[124])))", skip: "15", lead: "9" }, drop("0")], lengths: 0xc00, national: r"(?:11|[89]\d\d)\d{8}|[2368]\d{9}" }, // AR
    Plan { code: 55, abroad: "00(?:1[245]|2[1-35]|31|4[13]|[56]5|99)", trunk: &[Trunk { drop: "(?:0|90)(?:1[245]|2[1-35]|31|4[13]|[56]5|99)", keep: r"\d{10,11}", skip: "", lead: "" }, drop("0|90")], lengths: 0xf00, national: r"[1-467]\d{9,10}|55[0-46-9]\d{8}|[34]\d{7}|55\d{7,8}|(?:5[0-46-9]|[89]\d)\d{7,9}" }, // BR
    Plan { code: 56, abroad: "(?:0|1(?:1[0-69]|2[02-5]|5[13-58]|69|7[0167]|8[018]))0", trunk: &[], lengths: 0xe00, national: r"12300\d{6}|6\d{9,10}|[2-9]\d{8}" }, // CL
    Plan { code: 57, abroad: "00(?:4(?:[14]4|56)|[579])", trunk: &[drop("0([3579]|4(?:[14]4|56))?")], lengths: 0xd00, national: r"(?:46|60\d\d)\d{6}|(?:1\d|[39])\d{9}" }, // CO
    Plan { code: 58, abroad: "", trunk: &[drop("0")], lengths: 0x400, national: r"[68]00\d{7}|(?:[24]\d|[59]0)\d{8}" }, // VE
    Plan { code: 60, abroad: "", trunk: &[drop("0")], lengths: 0x700, national: r"1\d{8,9}|(?:3\d|[4-9])\d{7}" }, // MY
    Plan { code: 61, abroad: "001[14-689]|14(?:1[14]|34|4[17]|[56]6|7[47]|88)0011", trunk: &[drop("(183[12])|0")], lengths: 0x17e0, national: r"1(?:[0-79]\d{7}(?:\d(?:\d{2})?)?|8[0-24-9]\d{7})|[2-478]\d{8}|1\d{4,7}|1(?:[0-79]\d{8}(?:\d{2})?|8[0-24-9]\d{7})|[148]\d{8}|1\d{5,7}" }, // AU CC CX
    Plan { code: 62, abroad: "00[89]", trunk: &[drop("0")], lengths: 0x3ff80, national: r"00[1-9]\d{9,14}|(?:[1-36]|8\d{5})\d{6}|00\d{9}|[1-9]\d{8,10}|[2-9]\d{7}" }, // ID
    Plan { code: 63, abroad: "", trunk: &[drop("0")], lengths: 0x3f40, national: r"(?:[2-7]|9\d)\d{8}|2\d{5}|(?:1800|8)\d{7,9}" }, // PH
    Plan { code: 64, abroad: "0(?:0|161)", trunk: &[drop("0")], lengths: 0x7e0, national: r"[1289]\d{9}|50\d{5}(?:\d{2,3})?|[27-9]\d{7,8}|(?:[34]\d|6[0-35-9])\d{6}|8\d{4,6}" }, // NZ
    Plan { code: 65, abroad: r"0[0-3]\d", trunk: &[], lengths: 0xd00, national: r"(?:(?:1\d|8)\d\d|7000)\d{7}|[3689]\d{7}" }, // SG
    Plan { code: 66, abroad: "00[1-9]", trunk: &[drop("0")], lengths: 0x2700, national: r"(?:001800|[2-57]|[689]\d)\d{7}|1\d{7,9}" }, // TH
    Plan { code: 81, abroad: "010", trunk: &[Trunk { drop: "", keep: r"000[2569]\d{4,6}$", skip: "", lead: "" }, drop("(?:003768)0?|0")], lengths: 0x3ff00, national: r"00[1-9]\d{6,14}|[25-9]\d{9}|(?:00|[1-9]\d\d)\d{6}" }, // JP
    Plan { code: 82, abroad: "00(?:[125689]|3(?:[46]5|91)|7(?:00|27|3|55|6[126]))", trunk: &[drop(r"0(8(?:[1-46-8]|5\d\d))?")], lengths: 0x7f60, national: r"00[1-9]\d{8,11}|(?:[12]|5\d{3})\d{7}|[13-6]\d{9}|(?:[1-6]\d|80)\d{7}|[3-6]\d{4,5}|(?:00|7)0\d{8}" }, // KR
    Plan { code: 84, abroad: "", trunk: &[drop("0")], lengths: 0x780, national: r"[12]\d{9}|[135-9]\d{8}|[16]\d{6,7}|7\d{6}" }, // VN
    Plan { code: 86, abroad: r"00|1(?:[12]\d|79)\d\d00", trunk: &[drop(r"(1(?:[12]\d|79)\d\d)|0")], lengths: 0x1f80, national: r"(?:(?:1[03-689]|2\d)\d\d|6)\d{8}|1\d{10}|[126]\d{6}(?:\d(?:\d{2})?)?|86\d{5,6}|(?:[3-579]\d|8[0-57-9])\d{5,9}" }, // CN
    Plan { code: 90, abroad: "", trunk: &[drop("0")], lengths: 0x3480, national: r"4\d{6}|8\d{11,12}|(?:[2-58]\d\d|900)\d{7}" }, // TR
    Plan { code: 91, abroad: "", trunk: &[drop("0")], lengths: 0x3f00, national: r"(?:000800|[2-9]\d\d)\d{7}|1\d{7,12}" }, // IN
    Plan { code: 92, abroad: "", trunk: &[drop("0")], lengths: 0x1f00, national: r"122\d{6}|[24-8]\d{10,11}|9(?:[013-9]\d{8,10}|2(?:[01]\d\d|2(?:[06-8]\d|1[01]))\d{7})|(?:[2-8]\d{3}|92(?:[0-7]\d|8[1-9]))\d{6}|[24-9]\d{8}|[89]\d{7}" }, // PK
    Plan { code: 93, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"[2-7]\d{8}" }, // AF
    Plan { code: 94, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"[1-9]\d{8}" }, // LK
    Plan { code: 95, abroad: "", trunk: &[drop("0")], lengths: 0x7c0, national: r"1\d{5,7}|95\d{6}|(?:[4-7]|9[0-46-9])\d{6,8}|(?:2|8\d)\d{5,8}" }, // MM
    Plan { code: 98, abroad: "", trunk: &[drop("0")], lengths: 0x4f0, national: r"[1-9]\d{9}|(?:[1-8]\d\d|9)\d{3,4}" }, // IR
    Plan { code: 211, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"[19]\d{8}" }, // SS
    Plan { code: 212, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"[5-8]\d{8}" }, // MA EH
    Plan { code: 213, abroad: "", trunk: &[drop("0")], lengths: 0x300, national: r"(?:[1-4]|[5-79]\d|80)\d{7}" }, // DZ
    Plan { code: 216, abroad: "", trunk: &[], lengths: 0x100, national: r"[2-57-9]\d{7}" }, // TN
    Plan { code: 218, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"[2-9]\d{8}" }, // LY
    Plan { code: 220, abroad: "", trunk: &[], lengths: 0x280, national: r"[48]\d{8}|[2-9]\d{6}" }, // GM
    Plan { code: 221, abroad: "", trunk: &[], lengths: 0x200, national: r"(?:[378]\d|93)\d{7}" }, // SN
    Plan { code: 222, abroad: "", trunk: &[], lengths: 0x100, national: r"(?:[2-4]\d\d|800)\d{5}" }, // MR
    Plan { code: 223, abroad: "", trunk: &[], lengths: 0x100, national: r"[24-9]\d{7}" }, // ML
    Plan { code: 224, abroad: "", trunk: &[], lengths: 0x300, national: r"722\d{6}|(?:3|6\d)\d{7}" }, // GN
    Plan { code: 225, abroad: "", trunk: &[], lengths: 0x400, national: r"[02]\d{9}" }, // CI
    Plan { code: 226, abroad: "", trunk: &[], lengths: 0x100, national: r"[024-7]\d{7}" }, // BF
    Plan { code: 227, abroad: "", trunk: &[], lengths: 0x100, national: r"[027-9]\d{7}" }, // NE
    Plan { code: 228, abroad: "", trunk: &[], lengths: 0x100, national: r"[279]\d{7}" }, // TG
    Plan { code: 229, abroad: "", trunk: &[], lengths: 0x400, national: r"01\d{8}" }, // BJ
    Plan { code: 230, abroad: "0(?:0|[24-7]0|3[03])", trunk: &[], lengths: 0x580, national: r"(?:[57]|8\d\d)\d{7}|[2-468]\d{6}" }, // MU
    Plan { code: 231, abroad: "", trunk: &[drop("0")], lengths: 0x380, national: r"(?:[2457]\d|33|88)\d{7}|(?:2\d|[4-6])\d{6}" }, // LR
    Plan { code: 232, abroad: "", trunk: &[drop("0")], lengths: 0x100, national: r"(?:[237-9]\d|66)\d{6}" }, // SL
    Plan { code: 233, abroad: "", trunk: &[drop("0")], lengths: 0x300, national: r"[235]\d{8}|800\d{5,6}" }, // GH
    Plan { code: 234, abroad: "009", trunk: &[drop("0")], lengths: 0x7c00, national: r"(?:20|9\d)\d{8}|[78]\d{9,13}" }, // NG
    Plan { code: 235, abroad: "00|16", trunk: &[], lengths: 0x100, national: r"(?:22|[3689]\d|77)\d{6}" }, // TD
    Plan { code: 236, abroad: "", trunk: &[], lengths: 0x100, national: r"8776\d{4}|(?:[27]\d|61)\d{6}" }, // CF
    Plan { code: 237, abroad: "", trunk: &[], lengths: 0x300, national: r"[26]\d{8}|88\d{6,7}" }, // CM
    Plan { code: 238, abroad: "0", trunk: &[], lengths: 0x80, national: r"(?:[2-59]\d\d|800)\d{4}" }, // CV
    Plan { code: 239, abroad: "", trunk: &[], lengths: 0x80, national: r"(?:22|9\d)\d{5}" }, // ST
    Plan { code: 240, abroad: "", trunk: &[], lengths: 0x200, national: r"222\d{6}|(?:3\d|55|[89]0)\d{7}" }, // GQ
    Plan { code: 241, abroad: "", trunk: &[Trunk { drop: "0", keep: r"11\d{6}|6[01256]\d{6}|7[467]\d{6}", skip: "", lead: "" }], lengths: 0x180, national: r"(?:[067]\d|11)\d{6}|[2-7]\d{6}" }, // GA
    Plan { code: 242, abroad: "", trunk: &[], lengths: 0x200, national: r"222\d{6}|(?:0\d|80)\d{7}" }, // CG
    Plan { code: 243, abroad: "", trunk: &[drop("0")], lengths: 0x780, national: r"(?:(?:[189]|5\d)\d|2)\d{7}|[1-68]\d{6}" }, // CD
    Plan { code: 244, abroad: "", trunk: &[], lengths: 0x200, national: r"[29]\d{8}" }, // AO
    Plan { code: 245, abroad: "", trunk: &[], lengths: 0x280, national: r"[49]\d{8}|4\d{6}" }, // GW
    Plan { code: 246, abroad: "", trunk: &[], lengths: 0x80, national: r"3\d{6}" }, // IO
    Plan { code: 247, abroad: "", trunk: &[], lengths: 0x60, national: r"(?:[01589]\d|[2-467])\d{4}" }, // AC
    Plan { code: 248, abroad: "010|0[0-2]", trunk: &[], lengths: 0x80, national: r"(?:[2489]\d|64)\d{5}" }, // SC
    Plan { code: 249, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"[19]\d{8}" }, // SD
    Plan { code: 250, abroad: "", trunk: &[drop("0")], lengths: 0x300, national: r"(?:06|[27]\d\d|[89]00)\d{6}" }, // RW
    Plan { code: 251, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"(?:11|[2-57-9]\d)\d{7}" }, // ET
    Plan { code: 252, abroad: "", trunk: &[drop("0")], lengths: 0x3c0, national: r"[346-9]\d{8}|[12679]\d{7}|[1-5]\d{6}|[1348]\d{5}" }, // SO
    Plan { code: 253, abroad: "", trunk: &[], lengths: 0x100, national: r"(?:2\d|77)\d{6}" }, // DJ
    Plan { code: 254, abroad: "000", trunk: &[drop("0")], lengths: 0x780, national: r"(?:[17]\d\d|900)\d{6}|(?:2|80)0\d{6,7}|[4-6]\d{6,8}" }, // KE
    Plan { code: 255, abroad: "00[056]", trunk: &[drop("0")], lengths: 0x200, national: r"(?:[25-8]\d|41|90)\d{7}" }, // TZ
    Plan { code: 256, abroad: "00[057]", trunk: &[drop("0")], lengths: 0x200, national: r"800\d{6}|(?:[29]0|[347]\d)\d{7}" }, // UG
    Plan { code: 257, abroad: "", trunk: &[], lengths: 0x100, national: r"(?:[267]\d|31)\d{6}" }, // BI
    Plan { code: 258, abroad: "", trunk: &[], lengths: 0x300, national: r"(?:2|8\d)\d{7}" }, // MZ
    Plan { code: 260, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"800\d{6}|(?:21|[579]\d|63)\d{7}" }, // ZM
    Plan { code: 261, abroad: "", trunk: &[Trunk { drop: "", keep: r"[24-9]\d{6}$", skip: "", lead: "20" }, drop("0")], lengths: 0x200, national: r"[23]\d{8}" }, // MG
    Plan { code: 262, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"709\d{6}|(?:26|[689]\d)\d{7}" }, // RE YT
    Plan { code: 263, abroad: "", trunk: &[drop("0")], lengths: 0x680, national: r"8\d{6}(?:\d{3})?|[235-8]\d{8}" }, // ZW
    Plan { code: 264, abroad: "", trunk: &[drop("0")], lengths: 0x300, national: r"[68]\d{7,8}" }, // NA
    Plan { code: 265, abroad: "", trunk: &[drop("0")], lengths: 0x280, national: r"(?:[1289]\d|31|77)\d{7}|1\d{6}" }, // MW
    Plan { code: 266, abroad: "", trunk: &[], lengths: 0x100, national: r"(?:[256]\d\d|800)\d{5}" }, // LS
    Plan { code: 267, abroad: "", trunk: &[], lengths: 0x580, national: r"90\d{5}|(?:0800|[2-6]|(?:7|800)\d)\d{6}" }, // BW
    Plan { code: 268, abroad: "", trunk: &[], lengths: 0x300, national: r"0800\d{4}|(?:[237]\d|900)\d{6}" }, // SZ
    Plan { code: 269, abroad: "", trunk: &[], lengths: 0x80, national: r"[3478]\d{6}" }, // KM
    Plan { code: 290, abroad: "", trunk: &[], lengths: 0x30, national: r"(?:[2569]\d|8)\d{3}" }, // SH TA
    Plan { code: 291, abroad: "", trunk: &[drop("0")], lengths: 0x80, national: r"[178]\d{6}" }, // ER
    Plan { code: 297, abroad: "", trunk: &[], lengths: 0x80, national: r"(?:[25-79]\d\d|800)\d{4}" }, // AW
    Plan { code: 298, abroad: "", trunk: &[drop("(10(?:01|[12]0|88))")], lengths: 0x40, national: r"[2-9]\d{5}" }, // FO
    Plan { code: 299, abroad: "", trunk: &[], lengths: 0x40, national: r"(?:19|[2-689]\d|70)\d{4}" }, // GL
    Plan { code: 350, abroad: "", trunk: &[], lengths: 0x100, national: r"(?:[25]\d|60)\d{6}" }, // GI
    Plan { code: 351, abroad: "", trunk: &[], lengths: 0x200, national: r"1693\d{5}|(?:[26-9]\d|30)\d{7}" }, // PT
    Plan { code: 352, abroad: "", trunk: &[drop(r"(15(?:0[06]|1[12]|[35]5|4[04]|6[26]|77|88|99)\d)")], lengths: 0xff0, national: r"35[013-9]\d{4,8}|6\d{8}|35\d{2,4}|(?:[2457-9]\d|3[0-46-9])\d{2,9}" }, // LU
    Plan { code: 353, abroad: "", trunk: &[drop("0")], lengths: 0x780, national: r"(?:1\d|[2569])\d{6,8}|4\d{6,9}|7\d{8}|8\d{8,9}" }, // IE
    Plan { code: 354, abroad: "00|1(?:0(?:01|[12]0)|100)", trunk: &[], lengths: 0x280, national: r"(?:38\d|[4-9])\d{6}" }, // IS
    Plan { code: 355, abroad: "", trunk: &[drop("0")], lengths: 0x3c0, national: r"(?:700\d\d|900)\d{3}|8\d{5,7}|(?:[2-5]|6\d)\d{7}" }, // AL
    Plan { code: 356, abroad: "", trunk: &[], lengths: 0x100, national: r"3550\d{4}|(?:[2579]\d\d|800)\d{5}" }, // MT
    Plan { code: 357, abroad: "", trunk: &[], lengths: 0x100, national: r"(?:[279]\d|[58]0)\d{6}" }, // CY
    Plan { code: 358, abroad: "00|99(?:[01469]|5(?:[14]1|3[23]|5[59]|77|88|9[09]))", trunk: &[drop("0")], lengths: 0x1fe0, national: r"[1-35689]\d{4}|7\d{10,11}|(?:[124-7]\d|3[0-46-9])\d{8}|[1-9]\d{5,8}" }, // FI AX
    Plan { code: 359, abroad: "", trunk: &[drop("0")], lengths: 0x13c0, national: r"00800\d{7}|[2-7]\d{6,7}|[89]\d{6,8}|2\d{5}" }, // BG
    Plan { code: 370, abroad: "", trunk: &[drop("[08]")], lengths: 0x100, national: r"(?:[3469]\d|52|[78]0)\d{6}" }, // LT
    Plan { code: 371, abroad: "", trunk: &[], lengths: 0x100, national: r"(?:[268]\d|78|90)\d{6}" }, // LV
    Plan { code: 372, abroad: "", trunk: &[], lengths: 0x580, national: r"8\d{9}|[4578]\d{7}|(?:[3-8]\d|90)\d{5}" }, // EE
    Plan { code: 373, abroad: "", trunk: &[drop("0")], lengths: 0x100, national: r"(?:[235-7]\d|[89]0)\d{6}" }, // MD
    Plan { code: 374, abroad: "", trunk: &[drop("0")], lengths: 0x100, national: r"(?:[1-489]\d|55|60|77)\d{6}" }, // AM
    Plan { code: 375, abroad: "810", trunk: &[drop("0|80?")], lengths: 0xfc0, national: r"(?:[12]\d|33|44|902)\d{7}|8(?:0[0-79]\d{5,7}|[1-7]\d{9})|8(?:1[0-489]|[5-79]\d)\d{7}|8[1-79]\d{6,7}|8[0-79]\d{5}|8\d{5}" }, // BY
    Plan { code: 376, abroad: "", trunk: &[], lengths: 0x340, national: r"(?:1|6\d)\d{7}|[135-9]\d{5}" }, // AD
    Plan { code: 377, abroad: "", trunk: &[drop("0")], lengths: 0x300, national: r"(?:[3489]|[67]\d)\d{7}" }, // MC
    Plan { code: 378, abroad: "", trunk: &[Trunk { drop: "", keep: r"[89]\d{5}$", skip: "", lead: "0549" }], lengths: 0x500, national: r"(?:0549|[5-7]\d)\d{6}" }, // SM
    Plan { code: 380, abroad: "", trunk: &[drop("0")], lengths: 0x600, national: r"[89]\d{9}|[3-9]\d{8}" }, // UA
    Plan { code: 381, abroad: "", trunk: &[drop("0")], lengths: 0x1fc0, national: r"38[02-9]\d{6,9}|6\d{7,9}|90\d{4,8}|38\d{5,6}|(?:7\d\d|800)\d{3,9}|(?:[12]\d|3[0-79])\d{5,10}" }, // RS
    Plan { code: 382, abroad: "", trunk: &[drop("0")], lengths: 0x300, national: r"(?:20|[3-79]\d)\d{6}|80\d{6,7}" }, // ME
    Plan { code: 383, abroad: "", trunk: &[drop("0")], lengths: 0x1f00, national: r"2\d{7,8}|3\d{7,11}|(?:4\d\d|[89]00)\d{5}" }, // XK
    Plan { code: 385, abroad: "", trunk: &[drop("0")], lengths: 0x380, national: r"[2-69]\d{8}|80\d{5,7}|[1-79]\d{7}|6\d{6}" }, // HR
    Plan { code: 386, abroad: "00|10(?:22|66|88|99)", trunk: &[drop("0")], lengths: 0x1e0, national: r"[1-7]\d{7}|8\d{4,7}|90\d{4,6}" }, // SI
    Plan { code: 387, abroad: "", trunk: &[drop("0")], lengths: 0x300, national: r"6\d{8}|(?:[35689]\d|49|70)\d{6}" }, // BA
    Plan { code: 389, abroad: "", trunk: &[drop("0")], lengths: 0x100, national: r"[2-578]\d{7}" }, // MK
    Plan { code: 420, abroad: "", trunk: &[], lengths: 0x1e00, national: r"(?:[2-578]\d|60)\d{7}|9\d{8,11}" }, // CZ
    Plan { code: 421, abroad: "", trunk: &[drop("0")], lengths: 0x2c0, national: r"[2-689]\d{8}|[2-59]\d{6}|[2-5]\d{5}" }, // SK
    Plan { code: 423, abroad: "", trunk: &[drop("(1001)|0")], lengths: 0x280, national: r"[68]\d{8}|(?:[2378]\d|90)\d{5}" }, // LI
    Plan { code: 500, abroad: "", trunk: &[], lengths: 0x20, national: r"[2-7]\d{4}" }, // FK
    Plan { code: 501, abroad: "", trunk: &[], lengths: 0x880, national: r"(?:0800\d|[2-8])\d{6}" }, // BZ
    Plan { code: 502, abroad: "", trunk: &[], lengths: 0x900, national: r"80\d{6}|(?:1\d{3}|[2-7])\d{7}" }, // GT
    Plan { code: 503, abroad: "", trunk: &[], lengths: 0x980, national: r"[25-7]\d{7}|(?:80\d|900)\d{4}(?:\d{4})?" }, // SV
    Plan { code: 504, abroad: "", trunk: &[], lengths: 0x900, national: r"8\d{10}|[237-9]\d{7}" }, // HN
    Plan { code: 505, abroad: "", trunk: &[], lengths: 0x100, national: r"(?:1800|[25-8]\d{3})\d{4}" }, // NI
    Plan { code: 506, abroad: "", trunk: &[drop("(19(?:0[0-2468]|1[09]|20|66|77|99))")], lengths: 0x500, national: r"(?:8\d|90)\d{8}|(?:[24-8]\d{3}|3005)\d{4}" }, // CR
    Plan { code: 507, abroad: "", trunk: &[], lengths: 0xd80, national: r"(?:00800|8\d{3})\d{6}|[68]\d{7}|[1-57-9]\d{6}" }, // PA
    Plan { code: 508, abroad: "", trunk: &[drop("0")], lengths: 0x240, national: r"[78]\d{8}|[2-9]\d{5}" }, // PM
    Plan { code: 509, abroad: "", trunk: &[], lengths: 0x100, national: r"[2-589]\d{7}" }, // HT
    Plan { code: 590, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"7090\d{5}|(?:[56]9|[89]\d)\d{7}" }, // GP BL MF
    Plan { code: 591, abroad: r"00(?:1\d)?", trunk: &[drop(r"0(1\d)?")], lengths: 0x300, national: r"(?:[2-7]\d\d|8001)\d{5}" }, // BO
    Plan { code: 592, abroad: "001", trunk: &[], lengths: 0x80, national: r"(?:[2-8]\d{3}|9008)\d{3}" }, // GY
    Plan { code: 593, abroad: "", trunk: &[drop("0")], lengths: 0xf00, national: r"1\d{9,10}|(?:[2-7]|9\d)\d{7}" }, // EC
    Plan { code: 594, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"(?:694\d|7093)\d{5}|(?:59|[89]\d)\d{7}" }, // GF
    Plan { code: 595, abroad: "", trunk: &[drop("0")], lengths: 0xfc0, national: r"[36-8]\d{5,8}|4\d{6,8}|59\d{6}|9\d{5,10}|(?:2\d|5[0-8])\d{6,7}" }, // PY
    Plan { code: 596, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"7091\d{5}|(?:[56]9|[89]\d)\d{7}" }, // MQ
    Plan { code: 597, abroad: "", trunk: &[], lengths: 0xc0, national: r"(?:[2-5]|[6-9]\d)\d{5}" }, // SR
    Plan { code: 598, abroad: r"0(?:0|1[3-9]\d)", trunk: &[drop("0")], lengths: 0x3ff0, national: r"0004\d{2,9}|[1249]\d{7}|2\d{3,4}|(?:[49]\d|80)\d{5}" }, // UY
    Plan { code: 599, abroad: "", trunk: &[], lengths: 0x180, national: r"(?:[34]1|60|(?:7|9\d)\d)\d{5}" }, // CW BQ
    Plan { code: 670, abroad: "", trunk: &[], lengths: 0x180, national: r"7\d{7}|(?:[2-47]\d|[89]0)\d{5}" }, // TL
    Plan { code: 672, abroad: "", trunk: &[Trunk { drop: "", keep: r"[0-258]\d{4}$", skip: "", lead: "3" }], lengths: 0x40, national: r"[13]\d{5}" }, // NF
    Plan { code: 673, abroad: "", trunk: &[], lengths: 0x80, national: r"[2-578]\d{6}" }, // BN
    Plan { code: 674, abroad: "", trunk: &[], lengths: 0x80, national: r"(?:222|444|(?:55|8\d)\d|666|777|999)\d{4}" }, // NR
    Plan { code: 675, abroad: "00|140[1-3]", trunk: &[], lengths: 0x180, national: r"(?:180|[78]\d{3})\d{4}|(?:[2-589]\d|64)\d{5}" }, // PG
    Plan { code: 676, abroad: "", trunk: &[], lengths: 0xa0, national: r"(?:0800|(?:[5-8]\d\d|999)\d)\d{3}|[2-8]\d{4}" }, // TO
    Plan { code: 677, abroad: "0[01]", trunk: &[], lengths: 0xa0, national: r"[6-9]\d{6}|[1-6]\d{4}" }, // SB
    Plan { code: 678, abroad: "", trunk: &[], lengths: 0xa0, national: r"[57-9]\d{6}|(?:[238]\d|48)\d{3}" }, // VU
    Plan { code: 679, abroad: "0(?:0|52)", trunk: &[], lengths: 0x880, national: r"45\d{5}|(?:0800\d|[235-9])\d{6}" }, // FJ
    Plan { code: 680, abroad: "01[12]", trunk: &[], lengths: 0x80, national: r"(?:[24-8]\d\d|345|900)\d{4}" }, // PW
    Plan { code: 681, abroad: "", trunk: &[], lengths: 0x240, national: r"(?:40|72|8\d{4})\d{4}|[89]\d{5}" }, // WF
    Plan { code: 682, abroad: "", trunk: &[], lengths: 0x20, national: r"[2-578]\d{4}" }, // CK
    Plan { code: 683, abroad: "", trunk: &[], lengths: 0x90, national: r"(?:[4-7]|888\d)\d{3}" }, // NU
    Plan { code: 685, abroad: "0", trunk: &[], lengths: 0x4e0, national: r"(?:[2-6]|8\d{5})\d{4}|[78]\d{6}|[68]\d{5}" }, // WS
    Plan { code: 686, abroad: "", trunk: &[drop("0")], lengths: 0x120, national: r"(?:[37]\d|6[0-79])\d{6}|(?:[2-48]\d|50)\d{3}" }, // KI
    Plan { code: 687, abroad: "", trunk: &[], lengths: 0x40, national: r"(?:050|[2-57-9]\d\d)\d{3}" }, // NC
    Plan { code: 688, abroad: "", trunk: &[], lengths: 0xe0, national: r"(?:2|7\d\d|90)\d{4}" }, // TV
    Plan { code: 689, abroad: "", trunk: &[], lengths: 0x340, national: r"4\d{5}(?:\d{2})?|8\d{7,8}" }, // PF
    Plan { code: 690, abroad: "", trunk: &[], lengths: 0xf0, national: r"[2-47]\d{3,6}" }, // TK
    Plan { code: 691, abroad: "", trunk: &[], lengths: 0x80, national: r"(?:[39]\d\d|820)\d{4}" }, // FM
    Plan { code: 692, abroad: "011", trunk: &[drop("1")], lengths: 0x80, national: r"329\d{4}|(?:[256]\d|45)\d{5}" }, // MH
    Plan { code: 800, abroad: "", trunk: &[], lengths: 0x100, national: r"(?:00|[1-9]\d)\d{6}" }, // 001
    Plan { code: 808, abroad: "", trunk: &[], lengths: 0x100, national: r"[1-9]\d{7}" }, // 001
    Plan { code: 850, abroad: "00|99", trunk: &[drop("0")], lengths: 0x500, national: r"85\d{6}|(?:19\d|[2-7])\d{7}" }, // KP
    Plan { code: 852, abroad: "00(?:30|5[09]|[126-9]?)", trunk: &[], lengths: 0xbe0, national: r"8[0-46-9]\d{6,7}|9\d{4,7}|(?:[2-7]|9\d{3})\d{7}" }, // HK
    Plan { code: 853, abroad: "", trunk: &[], lengths: 0x180, national: r"0800\d{3}|(?:28|[68]\d)\d{6}" }, // MO
    Plan { code: 855, abroad: "00[14-9]", trunk: &[drop("0")], lengths: 0x700, national: r"1\d{9}|[1-9]\d{7,8}" }, // KH
    Plan { code: 856, abroad: "", trunk: &[drop("0")], lengths: 0x700, national: r"(?:2\d|3)\d{8}|(?:[235-8]\d|41)\d{6}" }, // LA
    Plan { code: 870, abroad: "", trunk: &[], lengths: 0x1200, national: r"7\d{11}|[235-7]\d{8}" }, // 001
    Plan { code: 878, abroad: "", trunk: &[], lengths: 0x1000, national: r"10\d{10}" }, // 001
    Plan { code: 880, abroad: "", trunk: &[drop("0")], lengths: 0x7c0, national: r"[1-469]\d{9}|8[0-79]\d{7,8}|[2-79]\d{8}|[2-9]\d{7}|[3-9]\d{6}|[57-9]\d{5}" }, // BD
    Plan { code: 881, abroad: "", trunk: &[], lengths: 0x600, national: r"6\d{9}|[0-36-9]\d{8}" }, // 001
    Plan { code: 882, abroad: "", trunk: &[], lengths: 0x1f80, national: r"[13]\d{6}(?:\d{2,5})?|[19]\d{7}|(?:[25]\d\d|4)\d{7}(?:\d{2})?" }, // 001
    Plan { code: 883, abroad: "", trunk: &[], lengths: 0x1f00, national: r"(?:[1-4]\d|51)\d{6,10}" }, // 001
    Plan { code: 886, abroad: "0(?:0[25-79]|19)", trunk: &[drop("0")], lengths: 0xf80, national: r"[2-689]\d{8}|7\d{9,10}|[2-8]\d{7}|2\d{6}" }, // TW
    Plan { code: 888, abroad: "", trunk: &[], lengths: 0x800, national: r"\d{11}" }, // 001
    Plan { code: 960, abroad: "0(?:0|19)", trunk: &[], lengths: 0x480, national: r"(?:800|9[0-57-9]\d)\d{7}|[34679]\d{6}" }, // MV
    Plan { code: 961, abroad: "", trunk: &[drop("0")], lengths: 0x180, national: r"[27-9]\d{7}|[13-9]\d{6}" }, // LB
    Plan { code: 962, abroad: "", trunk: &[drop("0")], lengths: 0x300, national: r"(?:(?:[2689]|7\d)\d|32|427|53)\d{6}" }, // JO
    Plan { code: 963, abroad: "", trunk: &[drop("0")], lengths: 0x300, national: r"[1-359]\d{8}|[1-5]\d{7}" }, // SY
    Plan { code: 964, abroad: "", trunk: &[drop("0")], lengths: 0x700, national: r"(?:1|7\d\d)\d{7}|[2-6]\d{7,8}" }, // IQ
    Plan { code: 965, abroad: "", trunk: &[], lengths: 0x180, national: r"18\d{5}|(?:[2569]\d|41)\d{6}" }, // KW
    Plan { code: 966, abroad: "", trunk: &[drop("0")], lengths: 0x600, national: r"(?:[15]\d|800|92)\d{7}" }, // SA
    Plan { code: 967, abroad: "", trunk: &[drop("0")], lengths: 0x380, national: r"(?:1|7\d)\d{7}|[1-7]\d{6}" }, // YE
    Plan { code: 968, abroad: "", trunk: &[], lengths: 0x380, national: r"(?:1505|[279]\d{3}|500)\d{4}|800\d{5,6}" }, // OM
    Plan { code: 970, abroad: "", trunk: &[drop("0")], lengths: 0x700, national: r"[2489]2\d{6}|(?:1\d|5)\d{8}" }, // PS
    Plan { code: 971, abroad: "", trunk: &[drop("0")], lengths: 0x1fe0, national: r"(?:[4-7]\d|9[0-689])\d{7}|800\d{2,9}|[2-4679]\d{7}" }, // AE
    Plan { code: 972, abroad: "0(?:0|1(?:05|[2-9]))", trunk: &[drop("0")], lengths: 0x1f80, national: r"1\d{6}(?:\d{3,5})?|[57]\d{8}|[1-489]\d{7}" }, // IL
    Plan { code: 973, abroad: "", trunk: &[], lengths: 0x100, national: r"[136-9]\d{7}" }, // BH
    Plan { code: 974, abroad: "", trunk: &[], lengths: 0xb80, national: r"800\d{4}|(?:2|800)\d{6}|(?:0080|[3-7])\d{7}" }, // QA
    Plan { code: 975, abroad: "", trunk: &[], lengths: 0x180, national: r"[178]\d{7}|[2-8]\d{6}" }, // BT
    Plan { code: 976, abroad: "001", trunk: &[drop("0")], lengths: 0x700, national: r"[12]\d{7,9}|[5-9]\d{7}" }, // MN
    Plan { code: 977, abroad: "", trunk: &[drop("0")], lengths: 0xd00, national: r"(?:1\d|9)\d{9}|[1-9]\d{7}" }, // NP
    Plan { code: 979, abroad: "", trunk: &[], lengths: 0x200, national: r"[1359]\d{8}" }, // 001
    Plan { code: 992, abroad: "810", trunk: &[], lengths: 0x200, national: r"(?:[0-57-9]\d|66)\d{7}" }, // TJ
    Plan { code: 993, abroad: "810", trunk: &[drop("8")], lengths: 0x100, national: r"[1-7]\d{7}" }, // TM
    Plan { code: 994, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"365\d{6}|(?:[124579]\d|60|88)\d{7}" }, // AZ
    Plan { code: 995, abroad: "", trunk: &[drop("0")], lengths: 0x200, national: r"(?:[3-57]\d\d|800)\d{6}" }, // GE
    Plan { code: 996, abroad: "", trunk: &[drop("0")], lengths: 0x600, national: r"8\d{9}|[235-9]\d{8}" }, // KG
    Plan { code: 998, abroad: "", trunk: &[], lengths: 0x200, national: r"(?:20|33|[5-9]\d)\d{7}" }, // UZ
];
