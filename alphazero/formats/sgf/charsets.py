"""The charset of a text that does not name one, found by trial.

Most games of East Asia are in files that name no charset. Every candidate decodes the bytes; the
text that is the most probable in one of the languages of the charset wins. A language is a model of
single characters: a share for each of its classes (its commonest characters, the rest of its
script), spread evenly over the members of a class.
"""

import codecs
import contextlib
import math
import re
from collections import Counter
from typing import NamedTuple

SAMPLE = 1 << 16  # bytes that are examined, and as many of a long text's end
ASCII_COST = math.log(1 / 60)
RARE_COST = math.log(1 / 3000)  # of characters that are second bytes more often than themselves
RARE = "\\`{|}~^@_"
UNKNOWN = math.log(1e-6)  # a character that the language does not write
REPLACED = -25.0  # a byte that the charset cannot decode
CLASH = -4.0  # two letters that do not stand together, such as a small one before a capital

# Frequent in prose and in comments on games, and the characters of names.
SIMPLIFIED = """
的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过
发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本
前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很
最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度
门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电
数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马
科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万
取拉格望觉术领共确传师观清今切院让识候带导争运笔黑棋围局段胜负半贴布劫征断跳飞尖挡扳虎粘挖冲
压顶靠碰拆夹爬退渡逃厚薄味官收束投降执杯赛预选轮盘弈网友级李刘陈杨赵周吴徐孙朱胡郭林罗郑梁谢
宋唐韩曹邓冯柯洁古越俊昊聂卫洗河芈昱廷陀嘉檀啸范蕴若江维杰辜梓豪丁申谞旭彭荃晨连笑党毅童梦星
志远宇鹏晓伟磊洋勇艳娜静敏丽刚峰超辉龙凤春秋夏冬红玉兰英华永福喜叶石田井裕野临丸芝孟秦蔡潘蒋
余杜苏魏吕沈姚卢姜崔钟谭陆汪廖韦贾付邹熊尹泰龄刁毛睿铭屠杭煜涛联乙甲元阿含桐
"""
TRADITIONAL = """
的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過
發後作裡用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本
前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很
最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西月話合回特代內信表化老給世位次度門
任常先海通教兒原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活更別打女變四神總何電數安
少報才結反受目太量再感建務做接必場件計管期市直德資命山金指許統區保至隊形社便空決治展馬科五基
眼書非則聽白卻界達光放強即像難且權思王象完設式色路記南品住告類求據程北邊死張該交規萬取望覺術
領共確傳師觀清今切院讓識候帶導爭運筆黑棋圍局段勝負半貼布劫徵斷跳飛尖擋扳虎黏挖衝壓頂靠碰拆夾
爬退渡逃厚薄味官收束投降執杯賽預選輪盤弈網友級李劉陳楊趙周吳徐孫朱胡郭林羅鄭梁謝宋唐韓曹鄧馮
黃蔡曾彭蕭葉潘游詹簡鍾宗賴俊嘉昊志宏偉豪源誠浚銘祥瑞松仕恩元士傑紫曉芳淑慧雅婷怡君冠宇承翰柏
睿妤秀玲惠麗珍華永福春雄輝龍石田井裕河野
"""
JAPANESE = """
日一国人年大十二本中長出三時行見月後前生五間上東四今金九入学高円子外八六下来気小七山話女北午
百書先名川千水半男西電校語土木聞食車何南万毎白天母火右読友左休父雨黒手目局戦勝負段王位棋聖碁
院囲打込定石布切取死活番譜解説対相互置星掛井裕太河野臨力遼張栩羽根直樹趙治勲林海峯武宮正加藤
夫芝虎丸許家元結城聡村竹英雄坂田栄沢秀朋斎里菜謝依旻邑参仲央佑鈴渡辺伊佐々口松清池橋阿部森岡
原近内青福島浦谷新保場予選決級回第期因坊杯挑者合早朝売思良悪強弱所方分的無有自然形地模様攻守
逃厚味急最初次別以表能進不可要点線隅当考実利重軽薄勢消荒殺眼劫交換変化図照失敗成功着疑問士明
彦富尾紳路紀基平智也久広瀬優篤史余麒姚騰鶴郎潘善琪克弥安伸影溝横塚沼舘彩
"""
KOREAN = """
이다는가을의에고하지로기사한자도서를시대리어나은라인아정그스해들일수과부구제원만있전보주조것
상게면으여우장성적세안신진박김최강윤임오권황송류홍백남심노허유문양손배준민현영호석훈철환창혁
규동건태경재승찬웅욱빈범균희숙미혜연소예린채바둑흑국단급패결선회본왕위명천초중교생프마추덤집
반불계점돌포행활끝내공격비두터움력실변귀앙화목외삼협걸침벌림늘뻗젖힘끊음축머감착읽간합무빅때
좋쁘같저곳갔왔된되었했않없모매더잘못각통방법
"""

KANA = "".join(map(chr, [*range(0x3041, 0x3094), *range(0x30A1, 0x30F7), 0x30FC]))
CJK_MARKS = "、。「」『』・！？（），．：；《》〈〉【】—～…　“”‘’"
CYRILLIC_SMALL = "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґў"
CYRILLIC_CAPITAL = CYRILLIC_SMALL.upper()
LATIN_SMALL = "".join(map(chr, range(0xDF, 0x100))).replace("÷", "") + "šžœ"
LATIN_CAPITAL = "".join(map(chr, range(0xC0, 0xDF))).replace("×", "") + "ŠŽŒŸ"
LATIN_MARKS = "«»°·€£§©®¡¿½¼¾–—…“”‘’„•\xa0"


class _Language:
    """The logarithms of the probabilities of characters."""

    def __init__(self, *classes: tuple[float, str | tuple[float, float]], clash: str = "") -> None:
        """Classes of characters with their shares: the characters, or the bounds of a script. A
        character belongs to the first class that has it. `clash` matches what is not written."""
        self._costs: dict[str, float] = {}
        self._blocks: list[tuple[int, int, float]] = []
        self._clash = re.compile(clash) if clash else None
        for share, members in classes:
            if isinstance(members, str):
                letters = set(members) - {"\n"}
                cost = math.log(share / len(letters))
                self._costs |= {one: cost for one in letters - self._costs.keys()}
            else:
                first, last = map(int, members)
                self._blocks.append((first, last, math.log(share / (last - first + 1))))

    def score(self, text: str, counts: Counter[str]) -> float:
        """Sum the logarithms over a text of these characters beyond ASCII."""
        total = sum(count * self._cost(letter) for letter, count in counts.items())
        if self._clash is not None:
            total += CLASH * len(self._clash.findall(text))
        return total

    def _cost(self, letter: str) -> float:
        if letter == "\N{REPLACEMENT CHARACTER}":
            return REPLACED
        cost = self._costs.get(letter)
        if cost is None:
            code = ord(letter)
            costs = (cost for first, last, cost in self._blocks if first <= code <= last)
            cost = next(costs, UNKNOWN)
        return cost


HANZI = (0x4E00, 0x9FFF)
HANGUL = (0xAC00, 0xD7A3)
IN_A_WORD = "[A-Za-z][^\\x00-\\xff][a-z]"  # one character of two bytes among letters
CHINESE = _Language((0.75, SIMPLIFIED), (0.08, CJK_MARKS), (0.17, HANZI), clash=IN_A_WORD)
TAIWANESE = _Language((0.75, TRADITIONAL), (0.08, CJK_MARKS), (0.17, HANZI), clash=IN_A_WORD)
NIPPON = _Language((0.5, KANA), (0.25, JAPANESE), (0.08, CJK_MARKS), (0.17, HANZI), clash=IN_A_WORD)
HANGUK = _Language((0.8, KOREAN), (0.02, CJK_MARKS), (0.16, HANGUL), (0.02, HANZI), clash=IN_A_WORD)
RUSSIAN = _Language(
    (0.85, CYRILLIC_SMALL),
    (0.1, CYRILLIC_CAPITAL),
    (0.05, LATIN_MARKS + "№"),
    clash=f"[{CYRILLIC_SMALL}][{CYRILLIC_CAPITAL}A-Z]|[{CYRILLIC_SMALL}][a-z]|[a-z][{CYRILLIC_SMALL}]",
)
WESTERN = _Language(
    (0.75, LATIN_SMALL),
    (0.15, LATIN_CAPITAL),
    (0.1, LATIN_MARKS),
    clash=f"[{LATIN_SMALL}a-z][{LATIN_CAPITAL}]|[{LATIN_SMALL}{LATIN_CAPITAL}](?=[{LATIN_SMALL}{LATIN_CAPITAL}])",
)


class _Candidate(NamedTuple):
    charset: str
    share: float  # of the files without a name of their charset, roughly
    languages: tuple[_Language, ...]


EVERY = (CHINESE, TAIWANESE, NIPPON, HANGUK, RUSSIAN, WESTERN)
CANDIDATES = (
    _Candidate("utf-8", 0.2, EVERY),
    _Candidate("gb18030", 0.3, (CHINESE,)),
    _Candidate("cp932", 0.2, (NIPPON,)),
    _Candidate("cp1252", 0.1, (WESTERN,)),
    _Candidate("cp949", 0.1, (HANGUK,)),
    _Candidate("big5hkscs", 0.05, (TAIWANESE,)),
    _Candidate("cp1251", 0.04, (RUSSIAN,)),
    _Candidate("euc_jp", 0.01, (NIPPON,)),
)


def guess(content: bytes, named: str = "") -> str:
    """Find the charset in which bytes are the most probable text.

    `named` is a charset that the file claims but that does not decode all of it: another one has to
    explain the bytes better.
    """
    sample = content
    if len(content) > 2 * SAMPLE:
        sample = content[:SAMPLE] + content[-SAMPLE:]
    best, highest = "cp1252", -math.inf
    candidates = CANDIDATES
    if named and all(one.charset != named for one in CANDIDATES):
        candidates = (_Candidate(named, 0.2, EVERY), *CANDIDATES)
    for charset, share, languages in candidates:
        text = sample.decode(charset, errors="replace")
        counts = Counter(text)
        rare = sum(counts.pop(letter, 0) for letter in RARE)
        usual = sum(counts.pop(letter, 0) for letter in map(chr, range(128)))
        score = math.log(share) + rare * RARE_COST + usual * ASCII_COST
        score += max(language.score(text, counts) for language in languages)
        if score > highest:
            best, highest = charset, score
    return best


def decode(content: bytes, named: str = "") -> str:
    """Decode by the named charset, one of Python's, or by the most probable where it fails or none
    is named. Invalid bytes are replaced.
    """
    for charset in filter(None, (named, "utf-8")):
        with contextlib.suppress(UnicodeDecodeError):
            return content.decode(charset)
    return content.decode(guess(content, named), errors="replace")


def known(name: str) -> str:
    """Return Python's name of a charset in which the syntax of SGF is ASCII; else an empty text."""
    with contextlib.suppress(LookupError, ValueError):
        if b"(;CA[\xff]".decode(name, errors="replace").startswith("(;CA["):
            return codecs.lookup(name).name
    return ""
